import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Exchange, type StandIn, startStandIn } from '../fakes/stand-in.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const minuteMs = 60_000;
const secret = 'Marker-hook-secret-77aa';
const folder = mkdtempSync(join(tmpdir(), 'hooks-'));
let program: TestProgram;
let receiver: StandIn;
/** The receiver answers with this status. */
let status = 204;
const told: Exchange[] = [];

beforeAll(async () => {
  receiver = await startStandIn((exchange) => {
    if (status < 300) told.push(exchange);
    return { status };
  });
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterEach(() => {
  status = 204;
  told.length = 0;
});
afterAll(async () => {
  await program.stop();
  await receiver.stop();
  rmSync(folder, { recursive: true });
});

const hook = () => ({ id: 'webhook', options: { url: `${receiver.url}/reload`, secret } });
const bodyOf = (label: string, more: object = {}): object => ({
  label,
  plugin: { id: 'filesystem', options: { path: join(folder, label) } },
  ...more,
});
const issue = (commonName: string, label: string): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'root' },
    destinations: [{ label }],
  });
const deliveryOf = async ({ id }: Json): Promise<Json> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items[0];
/** Answers show whole seconds: what happens from now on is shown as later. */
const nextSecond = (): void => program.clock.advance(1000);
const inState = (certificate: Json, expected: object): Promise<Json> =>
  eventually(async () => {
    const delivery = await deliveryOf(certificate);
    return Object.entries(expected).every(([name, value]) => delivery[name] === value) && delivery;
  });

describe('the hook of a destination', () => {
  it('is told of a certificate that is in place, with a signature, before the delivery is verified', async () => {
    const made = await program.ok('POST', '/destinations', bodyOf('signed', { hook: hook() }));
    expect(made.hook).toMatchObject({ slug: 'webhook', options: { url: hook().options.url }, secretsSet: ['secret'] });
    expect(JSON.stringify(made)).not.toContain(secret);
    const certificate = await issue('signed.example.com', 'signed');
    const delivery = await inState(certificate, { verification: 'verified' });
    expect(delivery).toMatchObject({ state: 'delivered', hook: 'done', hookedAt: expect.any(String) });
    expect(delivery.verifiedAt >= delivery.hookedAt && delivery.hookedAt >= delivery.deliveredAt).toBe(true);
    const [{ headers, text }] = told as [Exchange];
    const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = headers;
    const expected = createHmac('sha256', secret)
      .update(`${String(id)}.${String(timestamp)}.${text}`)
      .digest('base64');
    expect([told.length, signature]).toEqual([1, `v1,${expected}`]);
    expect(JSON.parse(text)).toMatchObject({
      type: 'delivery.arrived',
      data: {
        deliveryId: delivery.id,
        certificate: { id: certificate.id, name: certificate.name, commonName: 'signed.example.com' },
        destination: { id: made.id, label: 'signed' },
        location: delivery.location,
      },
    });
  });

  it('is tried again until it succeeds, delivers nothing twice, and keeps the predecessor until then', async () => {
    await program.ok('POST', '/destinations', bodyOf('down', { hook: hook() }));
    const old = await issue('down.example.com', 'down');
    await inState(old, { hook: 'done', verification: 'verified' });
    status = 503;
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    const failing = await inState(fresh, { state: 'delivered', attempts: 1 });
    expect(failing).toMatchObject({ hook: 'due', verification: 'pending', fault: 'unavailable', hookedAt: null });
    expect(failing.detail).toContain('503');
    expect((await program.ok('GET', `/certificates/${old.id}`)).lifecycle).toBe('issued');
    // Ten minutes without a hook are no ten minutes in which the server could have loaded it.
    program.clock.advance(30 * minuteMs);
    await inState(fresh, { attempts: 2, state: 'delivered' });
    status = 204;
    await program.ok('POST', `/deliveries/${failing.id}/check`);
    const done = await inState(fresh, { hook: 'done', verification: 'verified' });
    expect([done.deliveredAt, done.attempts, done.fault]).toEqual([failing.deliveredAt, 0, null]);
    await eventually(async () => (await program.ok('GET', `/certificates/${old.id}`)).lifecycle === 'superseded');
    const actions: { action: string }[] = await program.database.source.query(
      `select action from audit_event where target_id = $1 and action like 'delivery%' order by id`,
      [fresh.id],
    );
    expect(actions.map(({ action }) => action)).toEqual([
      'delivery.arrived',
      'delivery.hook-failed',
      'delivery.checked',
      'delivery.hooked',
      'delivery.verified',
    ]);
  });

  it('is told again when the certificate is delivered again', async () => {
    await program.ok('POST', '/destinations', bodyOf('again', { hook: hook() }));
    const certificate = await issue('again.example.com', 'again');
    const first = await inState(certificate, { hook: 'done', verification: 'verified' });
    nextSecond();
    await program.ok('POST', `/certificates/${certificate.id}/redeploy`);
    await eventually(async () => (await deliveryOf(certificate)).hookedAt > first.hookedAt);
    expect(new Set(told.map(({ headers }) => headers['webhook-id'])).size).toBe(2);
  });

  it('is not told of a check or a change of the certificate that delivers nothing (9: certimate#594)', async () => {
    await program.ok('POST', '/destinations', bodyOf('quiet', { hook: hook() }));
    const certificate = await issue('quiet.example.com', 'quiet');
    const before = await inState(certificate, { hook: 'done', verification: 'verified' });
    await program.ok('PUT', `/certificates/${certificate.id}`, { description: 'changed' });
    nextSecond();
    await program.ok('POST', `/deliveries/${before.id}/check`);
    await eventually(async () => (await deliveryOf(certificate)).checkedAt > before.checkedAt);
    expect(told).toHaveLength(1);
    expect(await deliveryOf(certificate)).toMatchObject({ hookedAt: before.hookedAt, deliveredAt: before.deliveredAt });
  });

  it('stays in an update without it, keeps its secret, and is removed by null', async () => {
    const { id } = await program.ok('POST', '/destinations', bodyOf('kept', { hook: hook() }));
    expect((await program.ok('PUT', `/destinations/${id}`, bodyOf('kept'))).hook.secretsSet).toEqual(['secret']);
    const certificate = await issue('kept.example.com', 'kept');
    await inState(certificate, { hook: 'done' });
    expect((await program.ok('PUT', `/destinations/${id}`, bodyOf('kept', { hook: null }))).hook).toBeNull();
    const without = await issue('without.example.com', 'kept');
    await inState(without, { hook: null, verification: 'verified' });
    expect(told).toHaveLength(1);
    expect(readFileSync(join(folder, 'kept', 'without.example.com', 'cert.pem'), 'utf8').trim()).toBe(
      without.body.trim(),
    );
  });

  it.each([
    [{ id: 'no-such-plugin', options: {} }, 'hook.id'],
    [{ id: 'webhook', options: { url: 'x', secret } }, 'hook.options.url'],
    [{ id: 'pagerduty', options: {} }, 'hook'],
  ])('is refused as %j', async (asked, field) => {
    const { status: answered, body } = await program.call('POST', '/destinations', bodyOf('refused', { hook: asked }));
    expect([answered, Object.keys(body.reasons)]).toEqual([400, [expect.stringMatching(`^${field}`)]]);
  });
});
