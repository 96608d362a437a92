import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { shelf } from '../support/shelf.js';

const place = shelf();
let program: TestProgram;
let number = 0;
beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, ...place.plugins] });
  const { ok } = program;
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  for (const [label, id, by] of [
    ['shared', 'shelf', 'commonName'],
    ['own', 'shelf', 'name'],
    ['fixed', 'fixed-shelf', 'name'],
    ['fixed shared', 'fixed-shelf', 'commonName'],
  ])
    await ok('POST', '/destinations', { label, plugin: { id, options: { by } } });
});
afterAll(() => program.stop());
beforeEach(() => {
  place.mode = 'up';
});

const issue = (label: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `p${++number}.example.com`,
    authority: { name: 'root' },
    validityDays: 90,
    destinations: [{ label }],
    ...more,
  });
const deliveries = async (id: number): Promise<Json[]> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items;
const inState = (id: number, state: string): Promise<Json> =>
  eventually(async () => (await deliveries(id)).find((delivery) => delivery.state === state));
const revoke = (id: number, body: object = {}) => program.ok('PUT', `/certificates/${id}/revoke`, body);
const stands = ({ body }: Json): boolean => [...place.standing.values()].includes(body);
/** Lets whatever waits for its next attempt have it. */
const removed = (id: number): Promise<Json> =>
  eventually(async () => {
    program.clock.advance(30_000);
    return (await deliveries(id)).find(({ state }) => state === 'removed');
  });
const tried = (id: number, state: string): Promise<Json> =>
  eventually(async () => {
    const [delivery] = await deliveries(id);
    return delivery.state === state && delivery.fault !== null && delivery;
  });

describe('a revoked certificate leaves every place where it stands or may stand', () => {
  it('when it was delivered, and could not be delivered again', async () => {
    const one = await issue('shared');
    await inState(one.id, 'delivered');
    place.mode = 'down';
    await program.ok('POST', `/certificates/${one.id}/redeploy`);
    await tried(one.id, 'failing');
    await revoke(one.id);
    expect(await tried(one.id, 'removing')).toMatchObject({ detail: 'The shelf is down.' });
    expect(stands(one)).toBe(true);
    place.mode = 'up';
    await removed(one.id);
    expect(stands(one)).toBe(false);
  });

  it('when it was delivered, and the answer was lost', async () => {
    place.mode = 'lost';
    const one = await issue('own');
    expect(await tried(one.id, 'failing')).toMatchObject({ location: null });
    place.mode = 'up';
    await revoke(one.id);
    await removed(one.id);
    expect(stands(one)).toBe(false);
  });

  it.each(['up', 'lost'] as const)('when its delivery is under way, and %s', async (mode) => {
    const held = place.hold();
    const one = await issue('shared');
    await eventually(async () => held.begun());
    place.mode = mode;
    await revoke(one.id);
    held.release();
    await eventually(async () => stands(one) || (await deliveries(one.id))[0]?.state === 'removed');
    place.mode = 'up';
    await removed(one.id);
    expect(stands(one)).toBe(false);
  });

  it.each(['up', 'lost'] as const)('when its delivery ends after its removal, and %s', async (mode) => {
    const held = place.hold();
    const one = await issue('shared');
    await eventually(async () => held.begun());
    await revoke(one.id);
    // As after the pause of a whole process: the place is free for others, and the delivery goes on.
    await eventually(async () => {
      await program.database.source.query(`delete from lease where name like 'deliver:%'`);
      program.clock.advance(30_000);
      return (await deliveries(one.id))[0]?.state === 'removed';
    });
    place.mode = mode;
    held.release();
    await eventually(async () => stands(one));
    place.mode = 'up';
    await eventually(async () => {
      program.clock.advance(30_000);
      return !stands(one) && (await deliveries(one.id))[0]?.state === 'removed';
    });
  });

  it('when it is revoked before its delivery begins', async () => {
    const one = await issue('shared');
    await revoke(one.id);
    await eventually(async () => {
      program.clock.advance(30_000);
      return (await deliveries(one.id)).every(({ state }) => state === 'stopped' || state === 'removed');
    });
    expect(stands(one)).toBe(false);
  });

  it.each([
    ['shared', 'its successor alone stands at the same place'],
    ['own', 'its successor stands beside it'],
  ])('when it has been superseded at the destination %s, where %s', async (label) => {
    const old = await issue(label);
    await inState(old.id, 'delivered');
    const next = await program.ok('POST', `/certificates/${old.id}/reissue`);
    await inState(next.id, 'delivered');
    await eventually(async () => (await program.ok('GET', `/certificates/${old.id}`)).state === 'superseded');
    expect(stands(old)).toBe(label === 'own');
    await revoke(old.id);
    await removed(old.id);
    expect([stands(old), stands(next)]).toEqual([false, true]);
    expect(await deliveries(next.id)).toMatchObject([{ state: 'delivered' }]);
  });

  it('and where the destination can remove nothing, the delivery, its history and a mail say so', async () => {
    const one = await issue('fixed');
    await inState(one.id, 'delivered');
    await revoke(one.id);
    expect(await inState(one.id, 'left')).toMatchObject({
      fault: 'misconfigured',
      detail: 'Fixed shelf can remove nothing: remove it by hand.',
      nextAttemptAt: null,
    });
    const { items } = await program.ok('GET', `/certificates/${one.id}/history`);
    expect(items.find(({ action }: Json) => action === 'delivery.left')).toMatchObject({
      after: { detail: expect.stringContaining('by hand') },
    });
    const subject = `${one.cn}: revoked, must be removed from fixed by hand`;
    await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find((mail: Json) => mail.subject === subject),
    );
    expect((await program.ok('GET', `/certificates/${one.id}`)).destinations).toEqual([]);
  });

  it('and where the destination can remove nothing, a successor at the same place has removed it', async () => {
    const old = await issue('fixed shared');
    await inState(old.id, 'delivered');
    const next = await program.ok('POST', `/certificates/${old.id}/reissue`);
    await inState(next.id, 'delivered');
    await revoke(old.id);
    await removed(old.id);
    expect([stands(old), stands(next)]).toEqual([false, true]);
  });

  it('and is delivered nowhere again', async () => {
    const one = await issue('shared');
    const { id } = await inState(one.id, 'delivered');
    await revoke(one.id);
    await removed(one.id);
    for (const path of [`/deliveries/${id}/retry`, `/certificates/${one.id}/redeploy`])
      expect((await program.call('POST', path)).status).toBe(409);
    const again = await program.call('PUT', `/certificates/${one.id}`, { destinations: [{ label: 'own' }] });
    expect(again.status).toBe(409);
    expect(stands(one)).toBe(false);
  });
});

describe('a certificate that is detached', () => {
  it('from a destination that can remove nothing can be attached there again', async () => {
    const one = await issue('fixed');
    await inState(one.id, 'delivered');
    await program.ok('PUT', `/certificates/${one.id}`, { destinations: [] });
    await inState(one.id, 'left');
    await program.ok('PUT', `/certificates/${one.id}`, { destinations: [{ label: 'fixed' }] });
    await inState(one.id, 'delivered');
  });
});
