import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { shelf } from '../support/shelf.js';

const ca = new ScriptedCa();
const [near, far] = [shelf(), shelf()];
let program: TestProgram;

beforeAll(async () => {
  const farther = far.plugins.map((plugin) => ({ ...plugin, id: `far-${plugin.id}` }));
  program = await startProgram({}, { plugins: [...plugins, ca.plugin, ...near.plugins, ...farther] });
  const { ok } = program;
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  const slow = { id: 'scripted-ca', options: { behaviour: 'pending' } };
  await ok('POST', '/authorities', { name: 'slow', owner: 'pki@example.com', commonName: 'Slow', plugin: slow });
  for (const [label, id] of [
    ['near', 'shelf'],
    ['far', 'far-shelf'],
  ])
    await ok('POST', '/destinations', { label, plugin: { id, options: {} } });
});
afterEach(() => {
  near.mode = far.mode = 'up';
});
afterAll(async () => {
  await program.stop();
  await ca.stop();
});

const issue = (commonName: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'root' },
    validityDays: 90,
    destinations: [{ label: 'near' }],
    ...more,
  });
const get = ({ id }: Json): Promise<Json> => program.ok('GET', `/certificates/${id}`);
const deliveriesOf = async ({ id }: Json): Promise<Json[]> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items;
/** The states of the deliveries of a certificate, in order of id. */
const states = async (certificate: Json): Promise<string[]> =>
  (await deliveriesOf(certificate)).sort((a, b) => a.id - b.id).map(({ state }) => state);
const inStates = (certificate: Json, ...expected: string[]): Promise<unknown> =>
  eventually(async () => JSON.stringify(await states(certificate)) === JSON.stringify(expected));
const warnings = async ({ id }: Json): Promise<number> =>
  (await program.ok('GET', `/notices?certificateId=${id}`)).items.filter(
    ({ event }: Json) => event === 'certificate.expiring',
  ).length;

describe('a delivery', () => {
  it('to a destination that is added later has a state of its own (6: certimate#287)', async () => {
    const certificate = await issue('later.example.com');
    await inStates(certificate, 'delivered');
    const [first] = await deliveriesOf(certificate);
    far.mode = 'down';
    await program.ok('PUT', `/certificates/${certificate.id}`, { destinations: [{ label: 'near' }, { label: 'far' }] });
    await inStates(certificate, 'delivered', 'failing');
    expect(far.standing.get('shelf/later.example.com')).toBeUndefined();
    far.mode = 'up';
    const failing = (await deliveriesOf(certificate)).find(({ state }) => state === 'failing');
    await program.ok('POST', `/deliveries/${failing?.id}/retry`);
    await inStates(certificate, 'delivered', 'delivered');
    expect(far.standing.get('shelf/later.example.com')?.trim()).toBe(certificate.body.trim());
    expect((await deliveriesOf(certificate)).find(({ id }) => id === first?.id)?.deliveredAt).toBe(first?.deliveredAt);
  });

  it('whose destination names no place has failed, and replaces nothing (10: certimate#624)', async () => {
    const old = await issue('nameless.example.com');
    await inStates(old, 'delivered');
    near.mode = 'nameless';
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    await inStates(fresh, 'failing');
    expect((await deliveriesOf(fresh))[0]).toMatchObject({ location: null, deliveredAt: null, fault: 'unavailable' });
    expect([(await get(old)).lifecycle, await states(old)]).toEqual(['issued', ['delivered']]);
    near.mode = 'up';
    await program.ok('POST', `/deliveries/${(await deliveriesOf(fresh))[0]?.id}/retry`);
    await inStates(fresh, 'delivered');
    await eventually(async () => (await get(old)).lifecycle === 'superseded');
  });

  it('that is retried with other options while an attempt is under way is made with these', async () => {
    const old = await issue('moved.example.com');
    await inStates(old, 'delivered');
    const held = near.hold();
    const certificate = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    await eventually(() => Promise.resolve(held.begun()));
    const [destination] = (await program.ok('GET', '/destinations?filter=label;near')).items;
    const namedBy = (by: string): Promise<Json> =>
      program.ok('PUT', `/destinations/${destination.id}`, { label: 'near', plugin: { id: 'shelf', options: { by } } });
    await namedBy('name');
    const [{ id } = { id: 0 }] = await deliveriesOf(certificate);
    await program.ok('POST', `/deliveries/${id}/retry`);
    held.release();
    await inStates(certificate, 'delivered');
    expect(near.standing.get(`shelf/${certificate.name}`)?.trim()).toBe(certificate.body.trim());
    await eventually(async () => (await get(old)).lifecycle === 'superseded');
    expect(
      await program.database.source.query(
        `select action from audit_event where target_id = $1 and action = 'delivery.failed'`,
        [certificate.id],
      ),
    ).toEqual([]);
    await namedBy('commonName');
  });

  it('waits for a CA that answers later, and is made once (13: Infisical#6610)', async () => {
    const made = await program.call('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'slow.example.com',
      authority: { name: 'slow' },
      destinations: [{ label: 'near' }],
    });
    const certificate = made.body;
    expect(await states(certificate)).toEqual(['planned']);
    expect(near.standing.has('shelf/slow.example.com')).toBe(false);
    const before = near.written.length;
    const held = near.hold();
    ca.deliver();
    await program.ok('PUT', `/pending_certificates/${certificate.id}/retry`);
    await eventually(() => Promise.resolve(held.begun()));
    const [{ id } = { id: 0 }] = await deliveriesOf(certificate);
    for (let times = 0; times < 3; times += 1) await program.ok('POST', `/deliveries/${id}/retry`);
    held.release();
    await inStates(certificate, 'delivered');
    const { body } = await get(certificate);
    expect(new Set(near.written.slice(before).map((leaf) => leaf.trim()))).toEqual(new Set([body.trim()]));
    const actions: { action: string }[] = await program.database.source.query(
      `select action from audit_event where target_id = $1 and action in ('delivery.arrived', 'delivery.failed')`,
      [certificate.id],
    );
    expect(new Set(actions.map(({ action }) => action))).toEqual(new Set(['delivery.arrived']));
  });
});

describe('a delivery that fails', () => {
  it('is told again when it fails again on the same day after it has worked', async () => {
    const certificate = await issue('streaks.example.com');
    const told = async (): Promise<number> =>
      (await program.ok('GET', `/notices?certificateId=${certificate.id}&event=delivery.failing`)).total;
    await inStates(certificate, 'delivered');
    const [{ id } = { id: 0 }] = await deliveriesOf(certificate);
    for (const streak of [1, 2]) {
      near.mode = 'down';
      await program.ok('POST', `/deliveries/${id}/retry`);
      await eventually(async () => {
        program.clock.advance(30_000);
        const [delivery] = await deliveriesOf(certificate);
        return (delivery?.attempts ?? 0) >= 6;
      });
      expect(await told()).toBe(streak);
      near.mode = 'up';
      await program.ok('POST', `/deliveries/${id}/retry`);
      await inStates(certificate, 'delivered');
    }
  });
});

describe('a successor that is deployed', () => {
  it('tells subscriptions of every certificate whose place it takes, and the owner once', async () => {
    await program.ok('POST', '/channels', {
      label: 'ops',
      plugin: { id: 'email', options: { recipients: 'o@x.org' } },
    });
    const hears = { label: 'ops', channel: { label: 'ops' }, scope: 'all', events: ['certificate.rotated'] };
    await program.ok('POST', '/subscriptions', hears);
    const first = await issue('line.example.com');
    await inStates(first, 'delivered');
    near.mode = 'down';
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`, {});
    await inStates(second, 'failing');
    const third = await program.ok('POST', `/certificates/${second.id}/reissue`, {});
    await inStates(third, 'failing');
    near.mode = 'up';
    await program.ok('POST', `/deliveries/${(await deliveriesOf(third))[0]?.id}/retry`);
    await inStates(third, 'delivered');
    await eventually(async () => (await get(first)).lifecycle === 'superseded');
    const told: unknown = await program.database.source.query(
      `select subscription_id is null as owner, (data->>'oldId')::int as old from notice
       where certificate_id = $1 and event = 'certificate.rotated' order by 1, 2`,
      [third.id],
    );
    expect(told).toEqual([
      { owner: false, old: first.id },
      { owner: false, old: second.id },
      { owner: true, old: second.id },
    ]);
  });

  it('warns before it expires although its predecessor has warned, which warns no more (19: Issues#7978)', async () => {
    const old = await issue('warns.example.com');
    await inStates(old, 'delivered');
    program.clock.advance(61 * dayMs);
    await eventually(async () => (await warnings(old)) > 0);
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    await inStates(fresh, 'delivered');
    await eventually(async () => (await get(old)).lifecycle === 'superseded');
    const told = await warnings(old);
    expect([await warnings(fresh), (await get(old)).nextNoticeAt]).toEqual([0, null]);
    program.clock.advance(61 * dayMs);
    await eventually(async () => (await warnings(fresh)) > 0);
    expect(await warnings(old)).toBe(told);
  });
});
