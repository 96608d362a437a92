import { hash, randomBytes, X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RunRepository } from '../../src/certificates/runs/run.repository.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { opensslCsr, opensslText } from '../support/requests.js';

const password = 'Correct-Horse-2!';
const reason = 'A test.';
const minuteMs = 60_000;
let program: TestProgram;
let ann = '';
let number = 0;

const issue = (more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `r${++number}.example.com`,
    authority: { name: 'root' },
    validityDays: 90,
    rotation: true,
    ...more,
  });
const issueMany = (count: number, more: object = {}): Promise<Json[]> =>
  Promise.all(Array.from({ length: count }, () => issue(more)));
const create = (body: object, token?: string) => program.call('POST', '/replacements', { reason, ...body }, { token });
const check = async (body: object, token?: string): Promise<Json> => {
  const { status, body: answer } = await create(body, token);
  expect(status, JSON.stringify(answer)).toBe(200);
  expect(answer).toMatchObject({ dryRun: true, run: null });
  return answer.check;
};
const made = async (body: object, token?: string): Promise<Json> => {
  const { status, body: answer } = await create({ dryRun: false, perHour: null, ...body }, token);
  expect(status, JSON.stringify(answer)).toBe(200);
  return answer.run;
};
const when = (id: number, test: (run: Json) => boolean): Promise<Json> =>
  eventually(async () => {
    const run = await program.ok('GET', `/replacements/${id}`);
    return test(run) && run;
  });
const finished = (id: number): Promise<Json> => when(id, ({ state }) => state === 'finished');
const itemsOf = async (id: number, query = ''): Promise<Json[]> =>
  (await program.ok('GET', `/replacements/${id}/certificates?count=100${query}`)).items;
const successorsOf = async ({ id }: Json): Promise<Json[]> =>
  program.database.source.query('select id, state from certificate where renews_id = $1', [id]);
/** Replaces one certificate, and gives its successor. */
const replaced = async (certificate: Json, more: object): Promise<Json> => {
  const { id } = await made({ ids: [certificate.id], ...more });
  await finished(id);
  const [item] = await itemsOf(id);
  expect(item, JSON.stringify(item)).toMatchObject({ state: 'done' });
  return program.ok('GET', `/certificates/${item?.successor.id}`);
};
const idsOf = (certificates: readonly Json[]): number[] => certificates.map(({ id }) => id as number);
const usagesOf = ({ body }: Json): string | undefined => /X509v3 Key Usage:.*\n\s*(.*)/.exec(opensslText(body))?.[1];

beforeAll(async () => {
  program = await startProgram({ ENCRYPTION_KEYS: randomBytes(32).toString('base64') });
  const { ok } = program;
  for (const name of ['root', 'other', 'closed'])
    await ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: `Example ${name}` });
  const role = await ok('POST', '/roles', { name: 'ann@example.com' });
  const roles = [{ id: role.id }, { name: 'root_admin' }];
  await ok('POST', '/users', { username: 'ann', email: 'ann@example.com', password, roles });
  ann = await program.login('ann', password);
});
afterAll(() => program.stop());
afterEach(async () => {
  vi.restoreAllMocks();
  await program.ok('PUT', '/rotation/limits', {});
  await program.database.source.query('delete from renewal_start');
  for (const { id } of (await program.ok('GET', '/rotation/pauses?active=true')).items)
    await program.ok('DELETE', `/rotation/pauses/${id}`);
});

describe('a dry run of a replacement of many certificates', () => {
  it('names what would be replaced by what, what would wait, and what would not be replaced and why', async () => {
    const [free, paused, under] = (await issueMany(3)) as [Json, Json, Json];
    const off = await issue({ rotation: false });
    const withCsr = await issue({
      csr: opensslCsr('/CN=csr.example.com').csrPem,
      commonName: undefined,
      rotation: false,
    });
    const closed = await issue({ authority: { name: 'closed' } });
    const found = await issue({ authority: { name: 'other' }, rotation: false });
    const { source } = program.database;
    await source.query('update certificate set authority_id = null, sealed_key = null where id = $1', [found.id]);
    const gone = await issue();
    await program.ok('PUT', `/certificates/${gone.id}/revoke`, {});
    const { owner } = await program.ok('GET', `/authorities/${closed.authority.id}`);
    await program.ok('PUT', `/authorities/${closed.authority.id}`, { owner, active: false });
    const pause = { scope: 'certificate', certificate: { id: paused.id }, reason: 'Not now.' };
    await program.ok('POST', '/rotation/pauses', pause);
    await program.ok('POST', `/certificates/${under.id}/reissue`, {});
    const ids = [...idsOf([free, paused, under, off, withCsr, closed, found, gone]), 99_999];
    const answer = await check({ ids });
    expect(answer).toMatchObject({ selected: 9, replaceable: 2, alreadyReplaced: 1, unchecked: 0 });
    expect(answer.held).toEqual([
      { code: 'pause', detail: expect.stringContaining('(Not now.)'), count: 1, ids: [paused.id] },
    ]);
    const refusals = answer.refused.map(({ code, detail, ids: [id] }: Json) => [code, id, detail]);
    expect(refusals.sort(([, a]: [string, number], [, b]: [string, number]) => a - b)).toEqual([
      ['rotation-off', off.id, expect.stringContaining('includeRotationOff')],
      ['key-not-here', withCsr.id, expect.stringContaining('must send a new CSR')],
      ['authority-inactive', closed.id, 'Authority closed is not active.'],
      ['no-authority', found.id, 'No authority is known that could issue it again.'],
      ['not-issued', gone.id, 'It is revoked, not issued.'],
      ['not-found', 99_999, expect.any(String)],
    ]);
    expect(answer.examples.map(({ id }: Json) => id)).toEqual([free.id, paused.id]);
    expect(answer.examples[0]).toMatchObject({ successor: { authority: 'root', keyType: 'ECCPRIME256V1' } });
    expect(await check({ ids: [closed.id], authority: { name: 'other' } })).toMatchObject({ replaceable: 1 });
    expect(await successorsOf(free)).toEqual([]);
  });

  it('selects by authority, key type, signature hash and key, issued certificates only', async () => {
    const [rsa, ended] = (await issueMany(2, { owner: 'rsa@example.com', keyType: 'RSA2048' })) as [Json, Json];
    const ec = await issue({ owner: 'rsa@example.com' });
    await program.ok('PUT', `/certificates/${ended.id}/revoke`, {});
    const spki = new X509Certificate(ec.body).publicKey.export({ type: 'spki', format: 'der' });
    const shown = async (filter: object): Promise<number[]> =>
      (await check({ filter: { owner: 'rsa@example.com', ...filter }, maximum: 10 })).examples.map(
        ({ id }: Json) => id,
      );
    expect(new Set(await shown({ authority: 'root' }))).toEqual(new Set([rsa.id, ec.id]));
    expect(await shown({ filter: 'keyType;RSA2048' })).toEqual([rsa.id]);
    expect(await shown({ filter: 'signingAlgorithm;sha1' })).toEqual([]);
    expect(await shown({ keySha256: hash('sha256', spki, 'hex') })).toEqual([ec.id]);
    expect((await create({ filter: { owner: 'rsa@example.com' }, maximum: 1 })).status).toBe(409);
    expect((await create({ ids: [rsa.id], keyType: 'DES' })).status).toBe(400);
    expect((await create({ ids: [rsa.id], authority: { name: 'nobody' } })).status).toBe(400);
  });
});

describe('the successor of a mass replacement', () => {
  it('has another authority, an EC key without keyEncipherment, and the reason wherever it is looked for', async () => {
    const old = await issue({ keyType: 'RSA2048' });
    expect(usagesOf(old)).toBe('Digital Signature, Key Encipherment');
    const next = await replaced(old, { authority: { name: 'other' }, keyType: 'secp384r1', reason: 'No more RSA.' });
    expect(next).toMatchObject({ keyType: 'ECCSECP384R1', authority: { name: 'other' }, owner: 'joe@example.com' });
    expect(usagesOf(next)).toBe('Digital Signature');
    expect(next.description).toMatch(/^Renewal of .*\. Replacement run \d+: No more RSA\.$/);
    const planOf = ({ id }: Json): Promise<Json> => program.ok('GET', `/certificates/${id}/plan`);
    expect((await planOf(old)).replacement).toMatchObject({ state: 'done', reason: 'No more RSA.' });
    expect((await planOf(next)).explanation.at(-1)).toContain(`in place of certificate ${old.id} (No more RSA.).`);
    const [event] = await program.database.source.query(
      `select after from audit_event where action = 'certificate.issued' and target_id = $1::text`,
      [next.id],
    );
    expect(event.after).toMatchObject({ renews: old.id, why: expect.stringContaining('No more RSA.') });
    expect((await program.ok('GET', `/certificates/${old.id}`)).lifecycle).toBe('superseded');
  });

  it('gets the key usages of its profile for its type of key', async () => {
    const old = await issue({ keyType: 'RSA2048', profile: { name: 'server' } });
    const next = await replaced(old, { keyType: 'ECCPRIME256V1' });
    expect([next.profile.name, usagesOf(next)]).toEqual(['server', 'Digital Signature']);
    expect(usagesOf(await replaced(next, { keyType: 'RSA2048' }))).toBe('Digital Signature, Key Encipherment');
  });

  it('is refused a type of key that can have none of its key usages', async () => {
    const extensions = { keyUsage: { useKeyEncipherment: true } };
    const old = await issue({ keyType: 'RSA2048', extensions });
    const [refusal] = (await check({ ids: [old.id], keyType: 'ECCPRIME256V1' })).refused;
    expect(refusal).toMatchObject({
      code: 'invalid-request',
      detail: expect.stringContaining('none of the key usages'),
    });
  });

  it('has a new key, also where rotation is off, when all certificates with one key are replaced', async () => {
    const old = await issue({ rotation: false });
    const spki = ({ body }: Json): string =>
      hash('sha256', new X509Certificate(body).publicKey.export({ type: 'spki', format: 'der' }), 'hex');
    const filter = { keySha256: spki(old) };
    expect((await check({ filter, maximum: 10 })).refused).toMatchObject([{ code: 'rotation-off', ids: [old.id] }]);
    const { id } = await made({ filter, maximum: 10, includeRotationOff: true, reason: 'Key found on GitHub.' });
    expect(await finished(id)).toMatchObject({ successors: { issued: 1, underWay: 0, ended: 0 } });
    const [{ successor } = {} as Json] = await itemsOf(id);
    const next = await program.ok('GET', `/certificates/${successor.id}`);
    expect(spki(next)).not.toBe(spki(old));
    expect(next.rotation).toBe(false);
  });
});

describe('a mass replacement', () => {
  it('replaces with the rights of who made it, and a failure stops no other', async () => {
    const mine = await issueMany(2, { owner: 'ann@example.com' });
    const elsewhere = await issue({ owner: 'ann@example.com', authority: { name: 'other' } });
    const theirs = await issue();
    const { id } = await made({ ids: idsOf([theirs, ...mine, elsewhere]) }, ann);
    expect(await finished(id)).toMatchObject({ items: { done: 2, failed: 2 }, actor: { username: 'ann' } });
    const failed = await itemsOf(id, '&state=failed');
    expect(failed.map(({ certificateId, problem }) => [certificateId, problem.code])).toEqual([
      [elsewhere.id, 'forbidden'],
      [theirs.id, 'forbidden'],
    ]);
    const moved = await create({ ids: idsOf(mine), authority: { name: 'other' }, dryRun: false }, ann);
    expect([moved.status, moved.body.detail]).toEqual([403, 'You are not allowed to use authority other.']);
    const run = await made({ ids: [99_999] });
    expect((await program.call('GET', `/replacements/${run.id}`, undefined, { token: ann })).status).toBe(404);
    expect((await program.call('GET', `/revocations/${run.id}`)).status).toBe(404);
  });

  it('keeps to its pace, pauses, goes on and is cancelled', async () => {
    const certificates = await issueMany(3);
    const { id } = await made({ ids: idsOf(certificates), perHour: 60 });
    const asRead = await when(id, ({ items }) => items.done === 1);
    const paused = await program.ok('PUT', `/replacements/${id}`, { ...asRead, state: 'paused' });
    expect(paused).toMatchObject({ state: 'paused', nextAt: null, perHour: 60 });
    const [, waiting] = await itemsOf(id);
    const plan = await program.ok('GET', `/certificates/${waiting?.certificateId}/plan`);
    expect(plan.replacement.text).toBe(`Replacement run ${id} replaces it once the run is resumed (A test.).`);
    program.clock.advance(10 * minuteMs);
    await program.ok('PUT', `/replacements/${id}`, { state: 'running', version: paused.version });
    await when(id, ({ items }) => items.done === 2);
    await program.ok('PUT', `/replacements/${id}`, { state: 'cancelled' });
    program.clock.advance(10 * minuteMs);
    await finished((await made({ ids: [99_999] })).id);
    expect((await program.ok('GET', `/replacements/${id}`)).items).toMatchObject({ waiting: 1, done: 2 });
  });

  it('goes on with others while a pause or a window holds some, unless windows are to be ignored', async () => {
    const windows = [{ weekdays: ['sat'], from: '22:00', to: '23:00' }];
    await program.ok('POST', '/policies', { name: 'nights', days: 10, maintenance: { timeZone: 'UTC', windows } });
    const now = program.clock.now();
    const toTuesday = (((8 - now.getUTCDay()) % 7) + 1) * 24 * 60 - now.getUTCHours() * 60;
    program.clock.advance(toTuesday * minuteMs);
    ann = await program.login('ann', password);
    const [free, paused] = (await issueMany(2)) as [Json, Json];
    const night = await issue({ rotationPolicy: { name: 'nights' } });
    const pause = { scope: 'certificate', certificate: { id: paused.id }, reason: 'Not now.' };
    const { id: pauseId } = await program.ok('POST', '/rotation/pauses', pause);
    const ids = idsOf([paused, night, free]);
    const { id } = await made({ ids });
    const held = await when(id, ({ items }) => items.done === 1 && items.held === 2);
    expect(held.nextAt).not.toBeNull();
    const items = await itemsOf(id, '&state=waiting');
    expect(items.map(({ problem, attempts }) => [problem.code, attempts])).toEqual([
      ['pause', 0],
      ['window', 0],
    ]);
    const plan = await program.ok('GET', `/certificates/${paused.id}/plan`);
    expect(plan.replacement.text).toContain('is to replace it (A test.). It is paused: of certificate');
    const ignoring = await made({ ids: [night.id], maintenanceWindows: 'ignore' });
    expect(await finished(ignoring.id)).toMatchObject({ items: { done: 1 } });
    await program.ok('DELETE', `/rotation/pauses/${pauseId}`);
    program.clock.advance(11 * minuteMs);
    await when(id, ({ items: { done } }) => done === 2);
    program.clock.advance(7 * 24 * 60 * minuteMs);
    expect(await finished(id)).toMatchObject({ items: { done: 2, alreadyReplaced: 1, held: 0, failed: 0 } });
    for (const one of [free, paused, night]) expect(await successorsOf(one)).toHaveLength(1);
  });

  it('respects the limits of renewals per hour', async () => {
    await program.ok('PUT', '/rotation/limits', { authorities: [{ authority: { name: 'root' }, perHour: 2 }] });
    const certificates = await issueMany(3);
    const { id } = await made({ ids: idsOf(certificates) });
    await when(id, ({ items }) => items.done === 2 && items.held === 1);
    const [{ problem } = {} as Json] = await itemsOf(id, '&state=waiting');
    expect(problem).toEqual({
      code: 'limit',
      detail: 'It waits for the limit of 2 renewals per hour of its authority.',
    });
    program.clock.advance(61 * minuteMs);
    expect(await finished(id)).toMatchObject({ items: { done: 3, failed: 0 } });
  });

  it('counts a certificate as replaced when the process dies right after, and never replaces it twice', async () => {
    const certificate = await issue();
    const note = RunRepository.prototype.note.bind(new RunRepository());
    const spy = vi.spyOn(RunRepository.prototype, 'note').mockImplementation((tx, ...rest) => {
      if (!tx.queryRunner) throw new Error('The process died.');
      return note(tx, ...rest);
    });
    const { id } = await made({ ids: [certificate.id] });
    await eventually(async () => spy.mock.results.some(({ type }) => type === 'throw'));
    spy.mockRestore();
    program.clock.advance(minuteMs);
    expect((await finished(id)).items).toMatchObject({ waiting: 0, done: 1, alreadyReplaced: 0, failed: 0 });
    expect(await successorsOf(certificate)).toHaveLength(1);
  });

  it('leaves no successor when it cannot note that it has replaced the certificate', async () => {
    const certificate = await issue();
    const note = RunRepository.prototype.note.bind(new RunRepository());
    vi.spyOn(RunRepository.prototype, 'note').mockImplementation((tx, ...rest) => {
      if (tx.queryRunner) throw new Error('The connection is lost.');
      return note(tx, ...rest);
    });
    const { id } = await made({ ids: [certificate.id] });
    expect(await finished(id)).toMatchObject({ items: { failed: 1 } });
    expect(await successorsOf(certificate)).toEqual([]);
  });

  it('counts what somebody else has renewed meanwhile, and two runs make one successor', async () => {
    const certificates = await issueMany(8);
    const ids = idsOf(certificates);
    const both = await Promise.all([made({ ids }), made({ ids })]);
    const ended = await Promise.all(both.map(({ id }) => finished(id)));
    const sum = (of: (items: Json) => number): number => ended.reduce((total, { items }) => total + of(items), 0);
    expect([sum(({ done }) => done), sum((i) => i.alreadyReplaced), sum((i) => i.failed)]).toEqual([8, 8, 0]);
    for (const one of certificates) expect(await successorsOf(one)).toHaveLength(1);
  });
});
