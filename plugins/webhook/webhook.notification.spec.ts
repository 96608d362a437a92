import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { startStandIn } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, now, type Shown } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { webhook } from './webhook.notification.js';

const key = 'Marker-webhook-key-of-32-bytes-4';
const secret = `whsec_${Buffer.from(key).toString('base64')}`;
const url = 'https://ops.example.org/hook';
const Payload = z.strictObject({
  type: z.string(),
  timestamp: z.literal(now.toISOString()),
  subject: z.string(),
  text: z.string(),
  data: z.record(z.string(), z.unknown()),
});

/** A receiver that verifies what Standard Webhooks 1.0.0 demands. */
function answer({ method, path, headers, text, json }: Exchange, taken: Shown[]): Reply {
  if (headers['x-host'] !== 'ops.example.org' || path !== '/hook') return { status: 404, body: 'Not here' };
  if (method !== 'POST' || headers['content-type'] !== 'application/json') return { status: 415 };
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = headers;
  const expected = createHmac('sha256', key)
    .update(`${String(id)}.${String(timestamp)}.${text}`)
    .digest('base64');
  if (signature !== `v1,${expected}` || timestamp !== String(now.getTime() / 1000)) return { status: 401 };
  const message = Payload.parse(json);
  taken.push({
    text: `${message.subject}\n${message.text}`,
    links: message.text.match(/^ +https:\S+$/gm)?.map((one) => one.trim()) ?? [],
  });
  return { status: 204 };
}

describeChannel('webhook', {
  plugin: webhook,
  options: webhook.options.parse({ url, secret }),
  wrong: webhook.options.parse({ url, secret: 'Marker-wrong-key-4f6e' }),
  secrets: [secret, key, 'Marker-wrong-key-4f6e'],
  answer,
});

describe('a receiver', () => {
  it.each([
    ...[401, 403, 404, 405, 407, 410].map((status) => [status, 'misconfigured'] as const),
    ...[400, 409, 413, 422].map((status) => [status, 'refused'] as const),
    ...[304, 408, 425, 429, 500, 502, 503, 504].map((status) => [status, 'unavailable'] as const),
  ])('that answers %i is %s', async (status, fault) => {
    const standIn = await startStandIn(() => ({ status, headers: { 'retry-after': '1.5' } }));
    const options = webhook.options.parse({ url: `${standIn.url}/hook`, secret });
    const failure = await failureOf(webhook.send(expiring(facts(7)), options, networkContext()));
    expect([failure.fault, failure.retryAfterS]).toEqual([fault, 2]);
    await standIn.stop();
  });

  it.each([301, 302, 303, 307, 308])('that redirects with %i has not taken the message', async (status) => {
    const standIn = await startStandIn(({ path }) =>
      path === '/hook' ? { status, headers: { location: '/Marker-there' } } : { status: 200 },
    );
    const options = webhook.options.parse({ url: `${standIn.url}/hook`, secret });
    const failure = await failureOf(webhook.send(expiring(facts(7)), options, networkContext()), ['Marker-there']);
    expect([failure.fault, failure.detail]).toEqual([
      'misconfigured',
      expect.stringContaining('redirects to 127.0.0.1'),
    ]);
    await standIn.stop();
  });
});

it.each([
  { url: 'ftp://ops.example.org' },
  { url: 'https://u:p@ops.example.org' },
  { url: `${url}#x` },
  { secret: 'short' },
  { secret: 'whsec_c2hvcnQ=' },
])('options of webhook refuse %j', (given) => {
  expect(webhook.options.safeParse({ url, secret, ...given }).success).toBe(false);
});
