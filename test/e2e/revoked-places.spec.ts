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

describe('a revoked certificate is removed from every destination that has it or may have it', () => {
  it('when a later delivery failed', async () => {
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

  it('when the answer to the delivery was lost', async () => {
    place.mode = 'lost';
    const one = await issue('own');
    expect(await tried(one.id, 'failing')).toMatchObject({ location: null });
    place.mode = 'up';
    await revoke(one.id);
    await removed(one.id);
    expect(stands(one)).toBe(false);
  });

  it.each(['up', 'lost'] as const)('when its delivery is running (destination: %s)', async (mode) => {
    const held = place.hold();
    const one = await issue('shared');
    await eventually(async () => held.begun());
    place.mode = mode;
    await revoke(one.id);
    held.release();
    await eventually(async () => place.written.includes(one.body));
    place.mode = 'up';
    await removed(one.id);
    expect(stands(one)).toBe(false);
  });

  it.each(['up', 'lost'] as const)('when its delivery ends after its removal (destination: %s)', async (mode) => {
    const held = place.hold();
    const one = await issue('shared');
    await eventually(async () => held.begun());
    await revoke(one.id);
    // As after the pause of a whole process: the job and the place are free for others, and the delivery goes on.
    await program.database.source.query(
      `update outbox set leased_by = 'another', lease_until = now() where job = 'certificate.deploy' and state = 'due'`,
    );
    await eventually(async () => {
      await program.database.source.query(`delete from lease where name like 'deliver:%'`);
      program.clock.advance(30_000);
      return (await deliveries(one.id))[0]?.state === 'removed';
    });
    place.mode = mode;
    held.release();
    await eventually(async () => place.written.includes(one.body));
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
    await eventually(async () => (await program.ok('GET', `/certificates/${old.id}`)).lifecycle === 'superseded');
    expect(stands(old)).toBe(label === 'own');
    await revoke(old.id);
    await removed(old.id);
    expect([stands(old), stands(next)]).toEqual([false, true]);
    expect(await deliveries(next.id)).toMatchObject([{ state: 'delivered' }]);
  });

  it('or is reported in the delivery, the history and a mail when the destination cannot remove it', async () => {
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

  it('or counts as removed when a successor has overwritten it and the destination cannot remove it', async () => {
    const old = await issue('fixed shared');
    await inState(old.id, 'delivered');
    const next = await program.ok('POST', `/certificates/${old.id}/reissue`);
    await inState(next.id, 'delivered');
    await revoke(old.id);
    await removed(old.id);
    expect([stands(old), stands(next)]).toEqual([false, true]);
  });

  it('and cannot be delivered again', async () => {
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
  it('from a destination that cannot remove it can be attached there again', async () => {
    const one = await issue('fixed');
    await inState(one.id, 'delivered');
    await program.ok('PUT', `/certificates/${one.id}`, { destinations: [] });
    await inState(one.id, 'left');
    await program.ok('PUT', `/certificates/${one.id}`, { destinations: [{ label: 'fixed' }] });
    await inState(one.id, 'delivered');
  });
});

describe('a revoked certificate with rotation and a destination', () => {
  const rotating = (label: string, more: object = {}) =>
    issue(label, { rotation: true, rotationPolicy: { name: 'default' }, ...more });
  const get = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}`);
  const keyOf = async (id: number): Promise<string> => (await program.ok('GET', `/certificates/${id}/key`)).key;
  const successorOf = (id: number): Promise<Json> =>
    eventually(async () => {
      const { replacedBy } = await get(id);
      return replacedBy.length === 1 && get(replacedBy[0].id);
    });

  it.each(['keyCompromise', 'superseded'])('for %s is replaced, then removed (4: certimate#1182)', async (reason) => {
    const old = await rotating('own', { notify: true });
    await inState(old.id, 'delivered');
    place.mode = 'down';
    await revoke(old.id, { crlReason: reason });
    expect(await program.ok('GET', `/certificates/${old.id}/plan`)).toMatchObject({ attempts: 0 });
    const next = await successorOf(old.id);
    await tried(next.id, 'failing');
    program.clock.advance(120_000);
    await tried(next.id, 'failing');
    // What serves must not go before what replaces it is there.
    expect(await deliveries(old.id)).toMatchObject([{ state: 'leaving' }]);
    expect(stands(old)).toBe(true);
    place.mode = 'up';
    await removed(old.id);
    expect([stands(old), stands(next)]).toEqual([false, true]);
    expect(await keyOf(next.id)).not.toBe(await keyOf(old.id));
    expect(next).toMatchObject({ notify: true, rotation: true, lifecycle: 'issued', renewal: { reason: 'policy' } });
    expect(await get(old.id)).toMatchObject({ lifecycle: 'revoked', notify: false, rotation: false });
    await eventually(async () => {
      const subjects = (await program.ok('GET', '/mails?count=200')).items.map((mail: Json) => mail.subject);
      return [`${old.cn}: revoked`, `${old.cn}: renewed`].every((subject) => subjects.includes(subject));
    });
  });

  it('at a shared location is overwritten by its successor without a gap', async () => {
    const old = await rotating('shared');
    await inState(old.id, 'delivered');
    const location = `shelf/${old.cn}`;
    let gaps = 0;
    const watch = setInterval(() => (gaps += place.standing.has(location) ? 0 : 1), 1);
    await revoke(old.id, { crlReason: 'keyCompromise' });
    const next = await successorOf(old.id);
    await removed(old.id);
    clearInterval(watch);
    expect([stands(old), stands(next), gaps]).toEqual([false, true, 0]);
  });

  it('is not replaced when the request says replace: false', async () => {
    const old = await rotating('shared');
    await inState(old.id, 'delivered');
    await revoke(old.id, { replace: false });
    await removed(old.id);
    expect(await get(old.id)).toMatchObject({
      replacedBy: [],
      rotation: false,
      renewal: { at: null, reason: 'revoked' },
    });
  });

  it.each([
    ['it does not rotate', {}],
    ['it is not deployed', { rotation: true, destinations: [] }],
  ])('is not replaced where %s, unless the request says replace: true', async (_, more) => {
    const [one, other] = [await issue('shared', more), await issue('shared', more)];
    await revoke(one.id);
    await revoke(other.id, { replace: true });
    expect(await successorOf(other.id)).toMatchObject({ rotation: other.rotation, destinations: other.destinations });
    expect(await get(one.id)).toMatchObject({ replacedBy: [], renewal: { reason: 'revoked' } });
  });

  it('is replaced once the authority is active again, and not when its rotation is switched off', async () => {
    const [one, other] = [await rotating('shared'), await rotating('shared')];
    for (const { id } of [one, other]) await inState(id, 'delivered');
    await program.ok('PUT', '/authorities/1', { owner: 'pki@example.com', active: false });
    for (const { id } of [one, other]) await revoke(id, { crlReason: 'keyCompromise' });
    for (const { id } of [one, other]) await eventually(async () => (await get(id)).renewal.attempts > 0);
    expect(await program.ok('GET', `/certificates/${one.id}/plan`)).toMatchObject({
      willRenew: true,
      reason: 'key-compromised',
      detail: 'Authority root is not active.',
    });
    await program.ok('PUT', `/certificates/${other.id}`, { rotation: false });
    await removed(other.id);
    expect([stands(one), stands(other)]).toEqual([true, false]);
    await program.ok('PUT', '/authorities/1', { owner: 'pki@example.com', active: true });
    await removed(one.id);
    expect(stands(await successorOf(one.id))).toBe(true);
    expect((await get(other.id)).replacedBy).toEqual([]);
  });

  it('is replaced once, even when the job runs several times', async () => {
    const old = await rotating('shared');
    await inState(old.id, 'delivered');
    await revoke(old.id, { crlReason: 'keyCompromise' });
    const { source } = program.database;
    for (let i = 0; i < 3; i += 1)
      await source.query(`update certificate set next_renewal_at = now() - interval '1 day' where id = $1`, [old.id]);
    await removed(old.id);
    await eventually(
      async () =>
        (await source.query('select next_renewal_at as at from certificate where id = $1', [old.id]))[0].at === null,
    );
    expect(await source.query('select count(*)::int as n from certificate where renews_id = $1', [old.id])).toEqual([
      { n: 1 },
    ]);
  });

  it('is replaced by a running renewal, and by no other successor', async () => {
    const old = await rotating('shared');
    await inState(old.id, 'delivered');
    place.mode = 'down';
    const next = await program.ok('POST', `/certificates/${old.id}/reissue`);
    await tried(next.id, 'failing');
    await revoke(old.id, { crlReason: 'keyCompromise' });
    expect(await get(old.id)).toMatchObject({ rotation: false, replacedBy: [{ id: next.id }] });
    place.mode = 'up';
    await removed(old.id);
    expect([stands(old), stands(next)]).toEqual([false, true]);
  });

  it('is not replaced when its predecessor is active again', async () => {
    const old = await rotating('own');
    await inState(old.id, 'delivered');
    place.mode = 'down';
    const next = await program.ok('POST', `/certificates/${old.id}/reissue`);
    await tried(next.id, 'failing');
    await revoke(next.id, { crlReason: 'superseded' });
    place.mode = 'up';
    await removed(next.id);
    expect(await get(next.id)).toMatchObject({ replacedBy: [] });
    expect(await get(old.id)).toMatchObject({ lifecycle: 'issued', notify: true });
    expect(stands(old)).toBe(true);
  });

  it('for keyCompromise makes every other certificate with its key renew', async () => {
    const old = await rotating('shared');
    const same = await rotating('own');
    for (const { id } of [old, same]) await inState(id, 'delivered');
    await program.database.source.query(
      'update certificate set spki_sha256 = (select spki_sha256 from certificate where id = $1) where id = $2',
      [old.id, same.id],
    );
    await revoke(old.id, { crlReason: 'keyCompromise' });
    const next = await successorOf(same.id);
    await eventually(async () => (await get(same.id)).lifecycle === 'superseded');
    expect(stands(next)).toBe(true);
  });

  it('is not revoked with replace: true by a user who may not issue', async () => {
    const { id } = await issue('shared');
    const scoped = await program.ok('POST', '/keys', {
      name: 'revoker',
      ttl: 1,
      scopes: ['certificate:read', 'certificate:revoke', 'certificate:update'],
    });
    const answer = await program.call('PUT', `/certificates/${id}/revoke`, { replace: true }, { token: scoped.jwt });
    expect(answer).toMatchObject({ status: 403, body: { detail: expect.stringContaining('certificate:issue') } });
  });
});
