import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { shelf } from '../support/shelf.js';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const place = shelf();
let program: TestProgram;
let receiver: Server;
let status = 503;

beforeAll(async () => {
  receiver = createServer(
    (request, response) => void request.resume().on('end', () => response.writeHead(status).end()),
  );
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' }, { plugins: [...plugins, ...place.plugins] });
});
afterAll(async () => {
  await program.stop();
  receiver.close();
});

/** Both clocks were ahead by this time, and are right again. */
async function setBack(ms: number): Promise<void> {
  program.clock.advance(-ms);
  await program.database.source.query(
    // The program may not have looked at the clock yet.
    `insert into clock_watch (seen_at) values (clock_timestamp() + $1::float8 * interval '1 second')
     on conflict (id) do update set seen_at = excluded.seen_at`,
    [ms / 1000],
  );
}

it('what failed before the clock is set back by hours is tried again in time', async () => {
  const { ok, clock } = program;
  const one = async (path: string): Promise<Json> => (await ok('GET', path)).items[0];
  const renewal = async (id: number): Promise<Json> => (await ok('GET', `/certificates/${id}`)).renewal;
  const authority = await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  await ok('POST', '/destinations', { label: 'shelf', plugin: { id: 'shelf', options: {} } });
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const hook = { id: 'webhook', options: { url, secret: 'a secret of more than sixteen bytes' } };
  await ok('POST', '/channels', { label: 'hook', plugin: hook });
  await ok('POST', '/subscriptions', {
    label: 'hook',
    channel: { label: 'hook' },
    scope: 'all',
    events: ['certificate.issued'],
  });
  await ok('POST', '/policies', { name: 'after six hours', lifetimeFraction: 0.75 });
  const body = { owner: 'joe@example.com', authority: { name: 'root' }, validityDays: 1 };

  const old = await ok('POST', '/certificates', {
    ...body,
    commonName: 'old.example.com',
    rotation: true,
    rotationPolicy: { name: 'after six hours' },
  });
  place.mode = 'down';
  const waiting = await ok('POST', '/certificates', {
    ...body,
    commonName: 'new.example.com',
    destinations: [{ label: 'shelf' }],
  });
  await ok('PUT', `/authorities/${authority.id}`, { owner: 'pki@example.com', active: false });
  const deliveries = `/certificates/${waiting.id}/deliveries`;
  const notices = `/notices?certificateId=${waiting.id}&event=certificate.issued`;
  const next = async (): Promise<string[]> => [
    (await one(deliveries)).nextAttemptAt,
    (await one(notices)).nextAttemptAt,
    (await renewal(old.id)).at,
  ];
  const within = (at: string, ms: number): boolean => Date.parse(at) < clock.now().getTime() + ms;
  await eventually(async () => (await one(deliveries)).attempts > 0);
  await eventually(async () => (await one(notices)).attempts > 0);
  clock.advance(6 * hourMs + 3 * hourMs);
  await eventually(async () => (await renewal(old.id)).attempts > 0);
  await eventually(async () => (await next()).every((at) => !within(at, 0)));

  await setBack(3 * hourMs);
  await eventually(async () => (await next()).every((at) => within(at, 15 * minuteMs)));
  // A transaction that began before stores what it planned by the old time.
  await program.database.source.query(`update delivery set next_attempt_at = $2 where certificate_id = $1`, [
    waiting.id,
    new Date(clock.now().getTime() + 3 * hourMs + minuteMs),
  ]);
  await eventually(async () => within((await one(deliveries)).nextAttemptAt, 15 * minuteMs));

  place.mode = 'up';
  status = 204;
  await ok('PUT', `/authorities/${authority.id}`, { owner: 'pki@example.com', active: true });
  clock.advance(15 * minuteMs);
  await eventually(async () => (await one(deliveries)).state === 'delivered');
  await eventually(async () => (await one(notices)).state === 'sent');
  await eventually(async () => (await ok('GET', `/certificates/${old.id}`)).lifecycle === 'superseded');
});
