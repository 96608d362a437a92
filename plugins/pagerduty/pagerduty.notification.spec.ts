import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, messageOf, type Shown, urlOf } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { pagerduty } from './pagerduty.notification.js';

const key = '0123456789abcdefMarker4f6e012345';
const wrong = '0123456789abcdefWrongKey4f6e0123';

/** Events API v2, as https://developer.pagerduty.com/docs/send-alert-event has it. */
const Event = z.discriminatedUnion('event_action', [
  z.strictObject({
    routing_key: z.string(),
    event_action: z.literal('trigger'),
    dedup_key: z.string().min(1).max(255),
    client: z.string(),
    client_url: z.url(),
    links: z.array(z.strictObject({ href: z.url(), text: z.string() })),
    payload: z.strictObject({
      summary: z.string().min(1).max(1024),
      source: z.string().min(1),
      severity: z.enum(['info', 'warning', 'error', 'critical']),
      class: z.string(),
      custom_details: z.record(z.string(), z.string()),
    }),
  }),
  z.strictObject({
    routing_key: z.string(),
    event_action: z.literal('resolve'),
    dedup_key: z.string().min(1).max(255),
  }),
]);
/** The alerts that are open: severities by key. */
const open = new Map<string, string>();

function answer({ method, path, headers, json, text }: Exchange, taken: Shown[]): Reply {
  const invalid = (...errors: string[]): Reply => ({
    status: 400,
    body: { status: 'invalid event', message: 'Event object is invalid', errors },
  });
  if (headers['x-host'] !== 'events.eu.pagerduty.com' || method !== 'POST' || path !== '/v2/enqueue')
    return { status: 404 };
  if (headers['content-type'] !== 'application/json') return invalid('JSON parse error');
  if (Buffer.byteLength(text) > 512 * 1024) return { status: 413 };
  const read = Event.safeParse(json);
  if (!read.success) return invalid(read.error.message);
  const event = read.data;
  if (event.routing_key !== key) return invalid(`Invalid routing_key ${event.routing_key}`);
  if (event.event_action === 'resolve') open.delete(event.dedup_key);
  else {
    const { summary, severity, custom_details: details } = event.payload;
    open.set(event.dedup_key, severity);
    const lines = [summary, ...Object.entries(details).map(([label, value]) => `${label}: ${value}`)];
    taken.push({ text: lines.join('\n'), links: [event.client_url, ...event.links.map(({ href }) => href)] });
  }
  return { status: 202, body: { status: 'success', message: 'Event processed', dedup_key: event.dedup_key } };
}

const options = (routingKey: string): z.output<typeof pagerduty.options> =>
  pagerduty.options.parse({ routingKey, region: 'eu' });

describeChannel(
  'pagerduty',
  { plugin: pagerduty, options: options(key), wrong: options(wrong), secrets: [key, wrong], answer },
  ({ standIn, send }) => {
    it('keeps one alert for each certificate through all warnings, and resolves it when it is renewed', async () => {
      open.clear();
      await send(expiring(facts(7), facts(8)));
      await send(expiring(facts(7, { notAfter: new Date('2026-03-02T00:00:00Z') })));
      await send(messageOf('certificate.rotation-failed', { certificate: facts(8), reason: 'r', nextAttemptAt: null }));
      expect([...open]).toEqual([
        [urlOf(7), 'critical'],
        [urlOf(8), 'error'],
      ]);
      await send(messageOf('certificate.rotated', { before: facts(7), after: facts(9), destinations: [] }));
      expect([...open.keys()]).toEqual([urlOf(8)]);
    });

    it('resolves the alert of a failing delivery when the successor is deployed there', async () => {
      open.clear();
      const failing = { what: 'delivery' as const, reason: 'r', attempts: 1, nextAttemptAt: null };
      await send(messageOf('delivery.failing', { certificate: facts(9), destination: 'lb', ...failing }));
      await send(messageOf('delivery.failing', { certificate: facts(9), destination: 'other', ...failing }));
      await send(messageOf('certificate.rotated', { before: facts(7), after: facts(9), destinations: ['lb'] }));
      expect([...open.keys()]).toEqual([`${urlOf(9)}#delivery:other`]);
    });

    it('triggers up to 20 alerts for one message, and one of all for more', async () => {
      open.clear();
      const certificates = Array.from({ length: 21 }, (_, i) => facts(i + 1));
      expect(await send(expiring(...certificates.slice(1)))).toHaveLength(20);
      open.clear();
      const [all] = (await send(expiring(...certificates))).slice(-1);
      expect(all?.text).toContain('Names: www1.example.org-CA-1, www2.example.org-CA-2, www3');
      expect([...open.keys()]).toEqual([`${urlOf(1)}#certificate.expiring:1`]);
    });

    it('sends all alerts again when one did not arrive, under the same keys', async () => {
      open.clear();
      standIn().fail({ on: /./, kind: 'lose' });
      await failureOf(send(expiring(facts(7), facts(8))));
      await send(expiring(facts(7), facts(8)));
      expect([...open.keys()]).toEqual([urlOf(7), urlOf(8)]);
    });

    it('triggers the other alerts when one is refused, and says which', async () => {
      open.clear();
      standIn().fail({ on: /./, kind: { status: 413, body: '' } });
      const failure = await failureOf(send(expiring(facts(7), facts(8))));
      expect([failure.fault, failure.detail]).toEqual([
        'refused',
        'www7.example.org expires in 12 days: PagerDuty answers with status 413.',
      ]);
      expect([...open.keys()]).toEqual([urlOf(8)]);
    });

    it('shortens a key that is too long to the same hash', async () => {
      open.clear();
      const delivery = {
        destination: 'd'.repeat(256),
        what: 'delivery' as const,
        reason: 'r',
        attempts: 1,
        nextAttemptAt: null,
      };
      await send(messageOf('delivery.failing', { certificate: facts(7), ...delivery }));
      await send(messageOf('delivery.failing', { certificate: facts(7), ...delivery }));
      expect([...open.keys()]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    });
  },
);

it('pagerduty hears of problems and their ends, and of nothing else', () => {
  expect(pagerduty.hears).toContain('certificate.rotated');
  expect(pagerduty.hears).not.toContain('certificate.issued');
});
