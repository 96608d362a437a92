import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, messageOf, type Shown } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { opsgenie } from './opsgenie.notification.js';

const key = 'Marker-opsgenie-key-4f6e';
const wrong = 'Marker-wrong-key-4f6e';

/** Limits of the Alert API (https://docs.opsgenie.com/docs/alert-api). */
const Alert = z.strictObject({
  message: z.string().min(1).max(130),
  alias: z.string().min(1).max(512),
  description: z.string().max(15_000),
  details: z.record(z.string(), z.string()).refine((all) => JSON.stringify(all).length <= 8000),
  source: z.string().max(100),
  priority: z.enum(['P1', 'P2', 'P3', 'P4', 'P5']),
  tags: z.array(z.string().max(50)).max(20),
});
const Close = z.strictObject({ source: z.string().max(100), note: z.string().max(25_000) });
/** Open alerts by alias, and how often each was created. */
const open = new Map<string, { message: string; priority: string; count: number }>();

/** Jira Service Management answers 202 to what it will do, and 404 when there is no such alert. */
function answer({ method, path, query, headers, json }: Exchange, taken: Shown[]): Reply {
  const failed = (status: number, message: string): Reply => ({ status, body: { message, took: 0, requestId: 'r' } });
  const root = { 'api.eu.opsgenie.com': '/v2/alerts', 'api.atlassian.com': '/jsm/ops/integration/v2/alerts' }[
    String(headers['x-host'])
  ];
  if (root === undefined || method !== 'POST' || !path.startsWith(root)) return failed(404, 'Not found');
  if (headers.authorization !== `GenieKey ${key}`)
    return failed(401, `Could not authenticate ${headers.authorization}`);
  if (headers['content-type'] !== 'application/json') return failed(415, 'Unsupported');
  const [, alias, verb] = path.slice(root.length).split('/');
  if (alias === undefined) return create(json, taken) ?? failed(422, 'Request body is not processable.');
  if (verb !== 'close' || query.get('identifierType') !== 'alias') return failed(404, 'Not found');
  if (!Close.safeParse(json).success) return failed(422, 'Request body is not processable.');
  return open.delete(decodeURIComponent(alias)) ? accepted : failed(404, 'Alert does not exist');
}

const accepted: Reply = { status: 202, body: { result: 'Request will be processed', took: 0, requestId: 'r' } };

function create(json: unknown, taken: Shown[]): Reply | null {
  const read = Alert.safeParse(json);
  if (!read.success) return null;
  const { alias, message, description, details, priority } = read.data;
  open.set(alias, { message, priority, count: (open.get(alias)?.count ?? 0) + 1 });
  const lines = [message, description, ...Object.entries(details).map(([label, value]) => `${label}: ${value}`)];
  taken.push({ text: lines.join('\n'), links: details.url === undefined ? [] : [details.url] });
  return accepted;
}

const options = (apiKey: string, region = 'eu'): z.output<typeof opsgenie.options> =>
  opsgenie.options.parse({ apiKey, region, tags: ['pki'] });

for (const region of ['eu', 'jira'])
  describeChannel(
    `opsgenie at ${region}`,
    {
      plugin: opsgenie,
      options: options(key, region),
      wrong: options(wrong, region),
      secrets: [key, wrong],
      answer,
    },
    ({ standIn, send }) => {
      it('keeps one alert for each certificate through all warnings, and closes it when it is revoked', async () => {
        open.clear();
        await send(expiring(facts(7), facts(8)));
        await send(expiring(facts(7)));
        expect([...open.values()].map(({ message, count }) => [message, count])).toEqual([
          ['www7.example.org expires in 12 days', 2],
          ['www8.example.org expires in 12 days', 1],
        ]);
        const revoked = { reason: 'superseded', comments: null, replaced: true, revokedAt: new Date(0) };
        await send(messageOf('certificate.revoked', { certificate: facts(7), ...revoked }));
        expect([...open.values()].map(({ message, priority }) => [message, priority])).toEqual([
          ['www8.example.org expires in 12 days', 'P3'],
          ['www7.example.org: revoked', 'P3'],
        ]);
      });

      it('takes an alert that is closed already for closed', async () => {
        open.clear();
        await send(messageOf('certificate.rotated', { before: facts(7), after: facts(8), destinations: ['lb'] }));
        expect(open.size).toBe(0);
      });

      it('is refused what cannot be processed', async () => {
        standIn().fail({ on: /./, kind: { status: 422, body: { message: 'Too long.' } } });
        const failure = await failureOf(send(expiring(facts(7))));
        expect([failure.fault, failure.detail]).toEqual(['refused', 'Opsgenie answers with status 422: Too long.']);
      });
    },
  );
