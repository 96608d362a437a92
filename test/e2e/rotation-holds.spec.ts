import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LimitRepository } from '../../src/rotation/limit.repository.js';
import type { Tx } from '../../src/platform/db/database.js';
import type { Json } from '../support/json.js';
import { adminPassword, eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { sweptTwice } from '../support/sweeps.js';

const hourMs = dayMs / 24;

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram();
  const { ok } = program;
  for (const name of ['slow', 'quick'])
    await ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: name, validityYears: 20 });
  await ok('POST', '/policies', { name: 'ten days', days: 10, spreadHours: 0 });
  await ok('POST', '/roles', { name: 'joe@example.com' });
  await ok('POST', '/users', {
    username: 'joe',
    email: 'joe@example.com',
    password: adminPassword,
    roles: [{ name: 'joe@example.com' }],
  });
});
afterAll(() => program.stop());
afterEach(async () => {
  await program.ok('PUT', '/rotation/limits', {});
  for (const { id } of (await program.ok('GET', '/rotation/pauses?active=true')).items)
    await program.ok('DELETE', `/rotation/pauses/${id}`);
  // What one test has made, and its successors, renew in no other one.
  const { source } = program.database;
  await source.query('update certificate set rotation = false, next_renewal_at = null');
  await source.query('delete from next_notice');
  await source.query('delete from renewal_wait');
  await source.query('delete from renewal_start');
});

let number = 0;
const issue = (more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `host-${(number += 1)}.example.com`,
    authority: { name: 'quick' },
    validityDays: 90,
    rotation: true,
    rotationPolicy: { name: 'ten days' },
    ...more,
  });
const planOf = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}/plan`);
const isRenewed = async (id: number): Promise<boolean> =>
  (await program.ok('GET', `/certificates/${id}`)).replacedBy.length > 0;
const renewedOf = async (certificates: readonly Json[]): Promise<number[]> => {
  const are = await Promise.all(certificates.map(({ id }) => isRenewed(id)));
  return certificates.filter((_, n) => are[n]).map(({ id }) => id);
};
/** Goes to so many days before the end of the certificate. */
const goTo = ({ notAfter }: Json, daysBefore: number): void =>
  program.clock.advance(Date.parse(notAfter) - daysBefore * dayMs - program.clock.now().getTime());
const waits = (certificates: readonly Json[], count: number): Promise<unknown> =>
  eventually(async () => {
    const [found] = await program.database.source.query(
      'select count(*)::int as count from renewal_wait where certificate_id = any($1)',
      [certificates.map(({ id }) => id)],
    );
    return found.count === count;
  });
/** Two sweeps that began after this was called, and no job that waits. */
const settled = async (): Promise<void> => {
  await sweptTwice(program, 'due-work');
  await eventually(async () => {
    const [{ count }] = await program.database.source.query(
      `select count(*)::int as count from outbox
       where state = 'due' and job in ('certificate.rotate', 'rotation.resume')`,
    );
    return count === 0;
  });
};
const auditOf = async (action: string): Promise<Json[]> =>
  (await program.ok('GET', `/logs?filter=logType;${action}&count=100`)).items;

describe('a limit of renewals per hour', () => {
  it('lets the certificates begin that expire first; the others wait, and the plan says for what', async () => {
    await program.ok('PUT', '/rotation/limits', { authorities: [{ authority: { name: 'slow' }, perHour: 2 }] });
    const made: Json[] = [];
    for (const validityDays of [94, 92, 90, 93, 91])
      made.push(await issue({ authority: { name: 'slow' }, validityDays }));
    const free = await issue({ validityDays: 94 });
    const byExpiry = made.toSorted((a, b) => Date.parse(a.notAfter) - Date.parse(b.notAfter));
    // All of them are due by now.
    goTo(made[0], 9.9);
    await eventually(async () => (await renewedOf(made)).length === 2);
    await settled();
    expect(await renewedOf(byExpiry)).toEqual(byExpiry.slice(0, 2).map(({ id }) => id));
    await eventually(() => isRenewed(free.id));
    const plan = await planOf(byExpiry[4]?.id);
    expect(plan).toMatchObject({ willRenew: true, hold: { kind: 'limit' } });
    expect(plan.hold.text).toMatch(/^It waits for the limit of 2 renewals per hour of this authority; about 20/);
    expect(Date.parse(plan.hold.until)).toBeGreaterThan(program.clock.now().getTime());
    expect((await program.call('GET', '/metrics', undefined)).status).toBeLessThan(500);

    program.clock.advance(hourMs);
    await eventually(async () => (await renewedOf(made)).length === 4);
    await settled();
    expect((await renewedOf(made)).length).toBe(4);
    // Without a limit nothing waits.
    await program.ok('PUT', '/rotation/limits', {});
    await eventually(async () => (await renewedOf(made)).length === 5);
  });

  it('of all authorities counts the renewals of all together', async () => {
    await program.ok('PUT', '/rotation/limits', { perHour: 3 });
    const made = [
      await issue(),
      await issue(),
      await issue({ authority: { name: 'slow' } }),
      await issue({ authority: { name: 'slow' } }),
    ];
    goTo(made[0], 9.9);
    await waits(made, 1);
    await settled();
    expect((await renewedOf(made)).length).toBe(3);
  });

  it('does not hold what is about to expire, which is in the audit log', async () => {
    await program.ok('PUT', '/rotation/limits', { authorities: [{ authority: { name: 'slow' }, perHour: 1 }] });
    const made = [await issue({ authority: { name: 'slow' } }), await issue({ authority: { name: 'slow' } })];
    goTo(made[0], 9.9);
    await waits(made, 1);
    // Days later, another hour would begin for the second one: it is held by a limit that somebody has used up.
    const { id: authorityId } = (await program.ok('GET', '/authorities?filter=name;slow')).items[0];
    await program.database.source.query('insert into renewal_start (authority_id, at) values ($1, $2)', [
      authorityId,
      new Date(Date.parse(made[0]?.notAfter) - 1.5 * dayMs),
    ]);
    goTo(made[0], 1.5);
    await eventually(async () => (await renewedOf(made)).length === 2);
    const told = await auditOf('certificate.emergency-renewal');
    expect(told.filter(({ targetId }) => made.some(({ id }) => targetId === String(id)))).toMatchObject([
      { after: { overrides: 'limit' } },
    ]);
  });

  it('is what counts also while it is changed: a sweep waits, and then sees the new one', async () => {
    const limits = new LimitRepository();
    const [{ id: authorityId }] = (await program.ok('GET', '/authorities?filter=name;slow')).items;
    await program.ok('PUT', '/rotation/limits', { perHour: 5 });
    const { source } = program.database;
    const inTransaction = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
      source.transaction((manager) => work(manager as unknown as Tx));
    const seen = await inTransaction(async (changing) => {
      await limits.lock(changing);
      await limits.replace(changing, [{ authorityId, perHour: 7 }]);
      const read = inTransaction((sweeping) => limits.lock(sweeping));
      await eventually(async () => (await source.query('select from pg_locks where not granted')).length > 0);
      return { read };
    });
    expect(await seen.read).toEqual([{ authorityId, perHour: 7 }]);
  });

  it('is refused for an authority that is unknown or named twice', async () => {
    const limit = (name: string): object => ({ authority: { name }, perHour: 5 });
    const put = async (...names: string[]): Promise<Json> =>
      program.call('PUT', '/rotation/limits', { authorities: names.map(limit) });
    expect((await put('nowhere')).body.reasons).toHaveProperty(['authorities.0.authority']);
    expect((await put('slow', 'slow')).body.reasons).toHaveProperty(['authorities.1.authority']);
    expect((await program.call('PUT', '/rotation/limits', { perHour: 0 })).status).toBe(400);
    expect(await program.ok('PUT', '/rotation/limits', { perHour: 7, authorities: [limit('slow')] })).toEqual({
      perHour: 7,
      authorities: [{ authority: { id: expect.any(Number), name: 'slow' }, perHour: 5 }],
    });
    expect((await auditOf('rotation-limits.changed'))[0]).toMatchObject({ after: { perHour: 7 } });
  });
});

describe('a pause', () => {
  const pause = (scope: string, more: object = {}): Promise<Json> =>
    program.ok('POST', '/rotation/pauses', { scope, reason: 'The HSM is moved.', ...more });

  it('of all holds renewals and no notices, is a warning, and spreads what it held when it ends', async () => {
    // Alone in its mails: what one owner has is told together.
    const made = [await issue({ owner: 'alone@example.com' }), await issue()];
    const { id } = await pause('all');
    goTo(made[0], 9.9);
    await waits(made, 2);
    await settled();
    expect(await renewedOf(made)).toEqual([]);
    expect(await planOf(made[0]?.id)).toMatchObject({
      willRenew: true,
      hold: { kind: 'pause', pauseId: id, text: expect.stringContaining('by admin (The HSM is moved.)') },
    });
    expect(await program.ok('GET', `/rotation/pauses/${id}`)).toMatchObject({ waiting: 2, endedAt: null });
    const health = await (await fetch(`${program.url}/health/ready`)).json();
    expect(JSON.stringify(health)).toContain('Renewals are paused: all since');
    await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.some(
        ({ subject }: Json) => subject.includes(made[0]?.commonName) && /expires/i.test(subject),
      ),
    );

    const { id: again } = (await program.ok('GET', '/rotation/pauses?active=true')).items[0];
    expect(again).toBe(id);
    expect((await program.call('POST', '/rotation/pauses', { scope: 'all', reason: 'Again.' })).status).toBe(409);
    await program.ok('DELETE', `/rotation/pauses/${id}`);
    await waits(made, 0);
    const [{ first, last }] = await program.database.source.query(
      'select min(next_renewal_at) as first, max(next_renewal_at) as last from certificate where id = any($1)',
      [made.map(({ id: one }) => one)],
    );
    expect(first.getTime()).toBeLessThan(last.getTime());
    expect(last.getTime()).toBeLessThan(program.clock.now().getTime() + dayMs);
    program.clock.advance(dayMs);
    await eventually(async () => (await renewedOf(made)).length === 2);
    expect((await program.call('DELETE', `/rotation/pauses/${id}`)).status).toBe(409);
    expect(await auditOf('rotation-pause.ended')).toMatchObject([{ targetId: String(id) }]);
  });

  it('of one authority or certificate holds nothing else, and ends at its time', async () => {
    const [one, other, slow] = [await issue(), await issue(), await issue({ authority: { name: 'slow' } })];
    const until = new Date(Date.parse(one?.notAfter) - 9 * dayMs).toISOString();
    await pause('authority', { authority: { name: 'slow' }, until });
    await pause('certificate', { certificate: { id: one?.id }, until });
    goTo(one, 9.9);
    await eventually(() => isRenewed(other?.id));
    await waits([one, slow] as Json[], 2);
    expect(await renewedOf([one, slow] as Json[])).toEqual([]);
    goTo(one, 8);
    await waits([one, slow] as Json[], 0);
    program.clock.advance(dayMs);
    await eventually(async () => (await renewedOf([one, slow] as Json[])).length === 2);
    expect((await program.ok('GET', '/rotation/pauses?active=true')).items).toEqual([]);
  });

  it('does not hold what is about to expire unless it says so, and the audit log names the override', async () => {
    const made = [await issue(), await issue({ authority: { name: 'slow' } })];
    await pause('authority', { authority: { name: 'slow' }, holdsEmergencies: true });
    await pause('all');
    goTo(made[0], 1.7);
    await eventually(() => isRenewed(made[0]?.id));
    await waits(made, 1);
    await settled();
    expect(await isRenewed(made[1]?.id)).toBe(false);
    const events = await auditOf('certificate.emergency-renewal');
    expect(events.filter(({ targetId }) => targetId === String(made[0]?.id))).toMatchObject([
      { after: { reason: 'policy', overrides: 'pause' } },
    ]);
  });

  it('that no longer holds emergencies lets them begin at once', async () => {
    const [urgent, other] = [await issue(), await issue({ validityDays: 94 })];
    const { id } = await pause('all', { holdsEmergencies: true });
    goTo(urgent, 1.7);
    await waits([urgent, other], 2);
    await settled();
    expect(await renewedOf([urgent, other])).toEqual([]);
    await program.ok('PUT', `/rotation/pauses/${id}`, { holdsEmergencies: false });
    await eventually(() => isRenewed(urgent.id));
    await settled();
    expect(await isRenewed(other.id)).toBe(false);
    expect((await planOf(other.id)).hold).toMatchObject({ kind: 'pause', pauseId: id });
  });

  it('that ends lets what is revoked begin at once, and spreads the rest', async () => {
    const revoked = await issue();
    const { id } = await pause('all', { holdsEmergencies: true });
    program.clock.advance(dayMs);
    await program.ok('PUT', `/certificates/${revoked.id}/revoke`, { crlReason: 'superseded', replace: true });
    await waits([revoked], 1);
    await program.ok('DELETE', `/rotation/pauses/${id}`);
    await eventually(() => isRenewed(revoked.id));
  });

  it('of what is about to expire is told in the plan of a certificate that it holds', async () => {
    const { id } = await issue();
    await pause('certificate', { certificate: { id }, holdsEmergencies: true });
    expect((await planOf(id)).hold).toMatchObject({ kind: 'pause', text: expect.stringContaining('emergencies') });
  });

  it('of a certificate is for its owner, of all for those who may change policies', async () => {
    const { id } = await issue();
    const { id: foreign } = await issue({ owner: 'ann@example.com' });
    const joe = await program.login('joe', adminPassword);
    const ask = (scope: string, more: object = {}) =>
      program.call('POST', '/rotation/pauses', { scope, reason: 'Mine.', ...more }, { token: joe });
    expect((await ask('all')).status).toBe(403);
    expect((await ask('certificate', { certificate: { id: foreign } })).status).toBe(403);
    const { status, body } = await ask('certificate', { certificate: { id } });
    expect(status).toBe(200);
    const change = { reason: 'Still mine.', until: '2090-01-01T00:00:00Z' };
    expect((await program.call('PUT', `/rotation/pauses/${body.id}`, change, { token: joe })).body).toMatchObject({
      reason: 'Still mine.',
      user: { username: 'joe' },
    });
    expect((await program.call('DELETE', `/rotation/pauses/${body.id}`, undefined, { token: joe })).status).toBe(204);
  });

  it('is refused without what it names, or with an end that has passed', async () => {
    const refused = async (body: object): Promise<string[]> =>
      Object.keys((await program.call('POST', '/rotation/pauses', { reason: 'x', ...body })).body.reasons);
    expect(await refused({ scope: 'authority' })).toEqual(['authority']);
    expect(await refused({ scope: 'all', source: { id: 1 } })).toEqual(['source']);
    expect(await refused({ scope: 'all', until: '2020-01-01T00:00:00Z' })).toEqual(['until']);
    expect(await refused({ scope: 'authority', authority: { name: 'nowhere' } })).toEqual(['authority']);
  });
});
