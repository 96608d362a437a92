import { hash, randomBytes, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Json } from '../support/json.js';
import { RunRepository } from '../../src/certificates/runs/run.repository.js';
import { Database } from '../../src/platform/db/database.js';
import { eventually, startProgram, startProgramOn, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
let ann = '';
let annId = 0;
let annRoleId = 0;
let number = 0;
/** A run that the program was told before it was started again. */
let early: Json;
let earlyIds: number[] = [];

const issue = (owner: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    ...more,
    owner,
    commonName: `r${++number}.example.com`,
    authority: { name: 'root' },
    validityDays: 90,
  });
const issueMany = async (owner: string, count: number): Promise<number[]> =>
  (await Promise.all(Array.from({ length: count }, () => issue(owner)))).map(({ id }) => id as number);
const create = (body: object, token?: string) => program.call('POST', '/revocations', body, { token });
const made = async (body: object, token?: string): Promise<Json> => {
  const { status, body: answer } = await create({ dryRun: false, ...body }, token);
  expect(status, JSON.stringify(answer)).toBe(200);
  return answer.run;
};
const read = (id: number): Promise<Json> => program.ok('GET', `/revocations/${id}`);
const when = (id: number, test: (run: Json) => boolean): Promise<Json> =>
  eventually(async () => {
    const run = await read(id);
    return test(run) && run;
  });
const states = (ids: number[]): Promise<string[]> =>
  Promise.all(ids.map(async (id) => (await program.ok('GET', `/certificates/${id}`)).lifecycle));

beforeAll(async () => {
  const keys = { ENCRYPTION_KEYS: randomBytes(32).toString('base64'), MAILS_TO_OTHERS_PER_HOUR: '1' };
  program = await startProgram({ ...keys, PERENNIAL_ROLE: 'api' });
  const { ok } = program;
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  const role = await ok('POST', '/roles', { name: 'ann@example.com' });
  annRoleId = role.id;
  annId = (
    await ok('POST', '/users', { username: 'ann', email: 'ann@example.com', password, roles: [{ id: role.id }] })
  ).id;
  earlyIds = await issueMany('early@example.com', 3);
  const filter = { owner: 'early@example.com', authority: 'root' };
  early = await made({ filter, maximum: 3, crlReason: 'cACompromise', perMinute: 6000 });
  await program.perennial.stop();
  program = await startProgramOn(program.database, program.clock, keys, {});
  ann = await program.login('ann', password);
});
afterAll(() => program.stop());

describe('a dry run of a revocation of many certificates', () => {
  it('counts what can be revoked, what is revoked already and what is refused, and changes nothing', async () => {
    const mine = await issueMany('ann@example.com', 3);
    const [theirs = 0] = await issueMany('joe@example.com', 1);
    await program.ok('PUT', `/certificates/${mine[0]}/revoke`, {});
    const { status, body } = await create({ ids: [...mine, theirs, 99_999] }, ann);
    expect(status).toBe(200);
    expect(body).toMatchObject({ dryRun: true, run: null });
    expect(body.check).toEqual({
      selected: 5,
      revocable: 2,
      alreadyRevoked: 1,
      unchecked: 0,
      refused: expect.arrayContaining([
        expect.objectContaining({ code: 'forbidden', count: 1, ids: [theirs] }),
        expect.objectContaining({ code: 'not-found', count: 1, ids: [99_999] }),
      ]),
    });
    expect(await states([mine[1] ?? 0, theirs])).toEqual(['issued', 'issued']);
  });

  it('is refused when the filter selects more than the maximum or is unknown', async () => {
    await issueMany('many@example.com', 2);
    const many = await create({ filter: { owner: 'many@example.com' }, maximum: 1, dryRun: false });
    expect([many.status, many.body.detail]).toEqual([409, expect.stringContaining('more than 1')]);
    expect((await create({ filter: { colour: 'red' }, maximum: 1 })).status).toBe(400);
    expect((await create({ filter: { owner: 'many@example.com' } })).status).toBe(400);
  });
});

describe('a revocation of many certificates', () => {
  it('goes on after the program was started again, and its CRL entries and events say by whom', async () => {
    expect(early).toMatchObject({ state: 'running', items: { waiting: 3, done: 0 }, actor: { username: 'admin' } });
    const run = await when(early.id, ({ state }) => state === 'finished');
    expect(run).toMatchObject({ items: { waiting: 0, done: 3, alreadyRevoked: 0, failed: 0 }, nextAt: null });
    expect(run.endedAt).not.toBeNull();
    expect(await states(earlyIds)).toEqual(['revoked', 'revoked', 'revoked']);
    const events = await program.database.source.query(
      `select action, actor_name from audit_event
       where action like 'revocation-run.%' and target_id = $1::text
         or action = 'certificate.revoked' and target_id = any($2::text[]) order by action, id`,
      [early.id, earlyIds.map(String)],
    );
    expect(events.map((one: Json) => [one.action, one.actor_name])).toEqual([
      ...earlyIds.map(() => ['certificate.revoked', 'admin']),
      ['revocation-run.finished', 'system'],
      ['revocation-run.started', 'admin'],
    ]);
  });

  it('revokes each certificate with the rights of who made it, and a failure stops no other', async () => {
    const mine = await issueMany('ann@example.com', 3);
    const [theirs = 0] = await issueMany('joe@example.com', 1);
    await program.ok('PUT', `/certificates/${mine[0]}/revoke`, {});
    const { id } = await made({ ids: [theirs, ...mine, 99_999], perMinute: 6000 }, ann);
    const run = await when(id, ({ state }) => state === 'finished');
    expect(run.items).toEqual({ waiting: 0, done: 2, alreadyRevoked: 1, failed: 2 });
    expect(await states([...mine, theirs])).toEqual(['revoked', 'revoked', 'revoked', 'issued']);
    const failed = await program.ok('GET', `/revocations/${id}/certificates?state=failed`);
    expect(failed.items.map(({ certificateId, problem }: Json) => [certificateId, problem.code])).toEqual([
      [theirs, 'forbidden'],
      [99_999, 'not-found'],
    ]);
  });

  it('finds all certificates with a key by its hash', async () => {
    const { body, id } = await issue('key@example.com');
    const spki = new X509Certificate(body).publicKey.export({ type: 'spki', format: 'der' });
    const filter = { keySha256: hash('sha256', spki, 'hex').toUpperCase() };
    const { check } = (await create({ filter, maximum: 10, crlReason: 'keyCompromise' })).body;
    expect(check).toMatchObject({ selected: 1, revocable: 1 });
    const run = await made({ filter, maximum: 10, crlReason: 'keyCompromise' });
    await when(run.id, ({ state }) => state === 'finished');
    expect(await states([id])).toEqual(['revoked']);
  });

  it('keeps to its pace, pauses, and goes on faster with the rights of who resumes it', async () => {
    const ids = await issueMany('ann@example.com', 3);
    const run = await made({ ids, perMinute: 1 }, ann);
    await when(run.id, ({ items }) => items.done === 1);
    const paused = await program.call('PUT', `/revocations/${run.id}`, { state: 'paused' }, { token: ann });
    expect(paused.body).toMatchObject({ state: 'paused', items: { waiting: 2, done: 1 }, nextAt: null });
    program.clock.advance(10 * 60_000);
    const resumed = await program.ok('PUT', `/revocations/${run.id}`, {
      ...paused.body,
      state: 'running',
      perMinute: 6000,
    });
    expect(resumed).toMatchObject({ actor: { username: 'admin' }, creator: { username: 'ann' }, perMinute: 6000 });
    await when(run.id, ({ state }) => state === 'finished');
    expect(await states(ids)).toEqual(['revoked', 'revoked', 'revoked']);
    expect((await program.call('PUT', `/revocations/${run.id}`, { state: 'running' })).status).toBe(409);
    const revoked = await program.database.source.query(
      `select actor_name from audit_event where action = 'certificate.revoked' and target_id = any($1) order by id`,
      [ids.map(String)],
    );
    expect(revoked.map((one: Json) => one.actor_name)).toEqual(['ann', 'admin', 'admin']);
  });

  it('revokes nothing more once it is cancelled, and is seen only by who made it and administrators', async () => {
    const ids = await issueMany('root@example.com', 2);
    const run = await made({ ids, perMinute: 1 });
    await when(run.id, ({ items }) => items.done === 1);
    expect((await program.call('GET', `/revocations/${run.id}`, undefined, { token: ann })).status).toBe(404);
    expect((await program.call('PUT', `/revocations/${run.id}`, { state: 'paused' }, { token: ann })).status).toBe(404);
    const list = await program.call('GET', '/revocations', undefined, { token: ann });
    expect(list.body.items.map(({ id }: Json) => id)).not.toContain(run.id);
    await program.ok('PUT', `/revocations/${run.id}`, { state: 'cancelled', perMinute: 6000 });
    program.clock.advance(10 * 60_000);
    const next = await made({ ids: [99_999], perMinute: 6000 });
    await when(next.id, ({ state }) => state === 'finished');
    expect((await states(ids)).sort()).toEqual(['issued', 'revoked']);
  });

  it('causes the mails of all its certificates as one request, however many owners they have', async () => {
    program.clock.advance(61 * 60_000);
    ann = await program.login('ann', password);
    const roles = [{ id: annRoleId }];
    const issued = await Promise.all(['x', 'y', 'z'].map((name) => issue(`${name}@example.com`, { roles })));
    const ids = issued.map(({ id }) => id as number);
    const { id } = await made({ ids, perMinute: 6000 }, ann);
    expect(await when(id, ({ state }) => state === 'finished')).toMatchObject({ items: { done: 3, failed: 0 } });
    expect((await create({ ids, dryRun: false }, ann)).status).toBe(429);
    expect((await create({ ids }, ann)).status).toBe(200);
  });

  it('leaves to the next step what another actor, who has taken it over meanwhile, is to revoke', async () => {
    const ids = await issueMany('ann@example.com', 3);
    const { source } = program.database;
    await source.query(`
      create function take_over() returns trigger language plpgsql as $$ begin
        update certificate_run set actor_id = (select id from app_user where username = 'admin') where id = new.run_id;
        return new;
      end $$;
      create trigger take_over after update on certificate_run_item for each row execute function take_over()`);
    const { id } = await made({ ids, perMinute: 120 }, ann);
    program.clock.advance(60_000);
    await when(id, ({ state }) => state === 'finished');
    await source.query('drop function take_over cascade');
    const events = await source.query(
      `select actor_name from audit_event where action = 'certificate.revoked' and target_id = any($1) order by id`,
      [ids.map(String)],
    );
    expect(events.map((one: Json) => one.actor_name)).toEqual(['ann', 'admin', 'admin']);
  });

  it('counts a request that was cancelled meanwhile as ended, not as failed', async () => {
    const [first = 0, ...others] = await issueMany('root@example.com', 2);
    const run = await made({ ids: [first, ...others], perMinute: 1 });
    await when(run.id, ({ items }) => items.done === 1);
    await program.database.source.query(
      `update certificate set state = 'cancelled', next_renewal_at = null where id = any($1)`,
      [others],
    );
    await program.ok('PUT', `/revocations/${run.id}`, { perMinute: 6000 });
    program.clock.advance(60_000);
    const ended = await when(run.id, ({ state }) => state === 'finished');
    expect(ended.items).toEqual({ waiting: 0, done: 1, alreadyRevoked: 1, failed: 0 });
  });

  it('keeps that a certificate is revoked when an overlapping step failed at it', async () => {
    const ids = await issueMany('root@example.com', 1);
    const { id } = await made({ ids, perMinute: 6000 });
    await when(id, ({ state }) => state === 'finished');
    const problem = { problemCode: 'wrong-state', problemDetail: 'It is revoked.' };
    const late = {
      certificateId: ids[0] ?? 0,
      ...problem,
      at: program.clock.now(),
      heldUntil: null,
      successorId: null,
    };
    const { db, runs } = {
      db: program.perennial.app.get(Database, { strict: false }),
      runs: new RunRepository(),
    };
    for (const state of ['failed', 'waiting', 'already-revoked'] as const)
      await runs.note(db.single, id, { ...late, state });
    expect((await read(id)).items).toEqual({ waiting: 0, done: 1, alreadyRevoked: 0, failed: 0 });
  });

  it('counts a certificate as revoked by it when the process dies right after the revocation', async () => {
    const ids = await issueMany('root@example.com', 1);
    const note = RunRepository.prototype.note.bind(new RunRepository());
    const spy = vi.spyOn(RunRepository.prototype, 'note').mockImplementation((tx, ...rest) => {
      if (!tx.queryRunner) throw new Error('The process died.');
      return note(tx, ...rest);
    });
    const { id } = await made({ ids, perMinute: 6000 });
    await eventually(async () => (await program.ok('GET', `/certificates/${ids[0]}`)).lifecycle === 'revoked');
    await eventually(async () => spy.mock.results.some(({ type }) => type === 'throw'));
    spy.mockRestore();
    program.clock.advance(60_000);
    const ended = await when(id, ({ state }) => state === 'finished');
    expect(ended.items).toEqual({ waiting: 0, done: 1, alreadyRevoked: 0, failed: 0 });
  });

  it('is not resumed by who sends back what they read before it was paused, nor paced by others', async () => {
    const ids = await issueMany('ann@example.com', 2);
    const run = await made({ ids, perMinute: 1 }, ann);
    const asRead = await when(run.id, ({ items }) => items.done === 1);
    const put = (body: object, token?: string) => program.call('PUT', `/revocations/${run.id}`, body, { token });
    const paused = (await put({ state: 'paused' }, ann)).body;
    expect(paused).toMatchObject({ state: 'paused', version: asRead.version + 1, faultDetail: null });
    expect((await put({ ...asRead, perMinute: 10 })).status).toBe(409);
    const unversioned = await put({ state: 'running' });
    expect([unversioned.status, unversioned.body.detail]).toEqual([409, expect.stringContaining('Name the version')]);
    expect(await read(run.id)).toEqual(paused);
    expect((await put({ ...paused, state: 'running' })).body).toMatchObject({ actor: { username: 'admin' } });
    const faster = await put({ perMinute: 6000 }, ann);
    expect([faster.status, faster.body.detail]).toEqual([403, expect.stringContaining('the actor of a run')]);
    expect((await put({ state: 'cancelled' }, ann)).body).toMatchObject({ state: 'cancelled', perMinute: 1 });
  });

  it('is refused when the API key ends before it can, also in a dry run and when it is slowed down', async () => {
    const key = await program.ok('POST', '/keys', {
      name: 'short',
      ttl: 1,
      user: { id: annId },
      scopes: ['certificate:revoke'],
    });
    const ids = Array.from({ length: 3000 }, (_, n) => 90_000 + n);
    for (const dryRun of [true, false]) {
      const refused = await create({ ids, dryRun, perMinute: 1 }, key.jwt);
      expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining('API key ends')]);
    }
    const { id } = await made({ ids, perMinute: 6 }, key.jwt);
    const slower = await program.call('PUT', `/revocations/${id}`, { perMinute: 1 }, { token: key.jwt });
    expect([slower.status, slower.body.detail]).toEqual([409, expect.stringContaining('API key ends')]);
    await program.ok('PUT', `/revocations/${id}`, { state: 'cancelled' });
  });

  const withdrawals: [string, (keyId: number) => Promise<unknown>][] = [
    ['the API key that made it is revoked', (keyId) => program.ok('PUT', `/keys/${keyId}`, { revoked: true })],
    [
      'the API key that made it may not revoke any more',
      (keyId) => program.ok('PUT', `/keys/${keyId}`, { scopes: ['certificate:read'] }),
    ],
    ['its user is not active any more', () => program.ok('PUT', `/users/${annId}`, { active: false })],
  ];
  it.each(withdrawals)('is paused, and people are told, when %s', async (what, withdraw) => {
    const key = await program.ok('POST', '/keys', {
      name: 'revoker',
      ttl: 30,
      user: { id: annId },
      scopes: ['certificate:revoke'],
    });
    const ids = await issueMany('ann@example.com', 2);
    const run = await made({ ids, perMinute: 1 }, key.jwt);
    await when(run.id, ({ items }) => items.done === 1);
    await withdraw(key.id);
    program.clock.advance(10 * 60_000);
    const paused = await when(run.id, ({ state }) => state === 'paused');
    expect(paused).toMatchObject({ items: { waiting: 1, done: 1 }, faultDetail: expect.stringContaining('resume') });
    expect((await states(ids)).sort()).toEqual(['issued', 'revoked']);
    const stopped = async (): Promise<string[]> =>
      ((await (await fetch(`${program.url}/health/ready`)).json()) as Json).warnings.filter((one: string) =>
        one.includes('runs'),
      );
    expect(await stopped()).toEqual([expect.stringContaining('stopped before their end: 1.')]);
    const mail = await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find(({ subject }: Json) =>
        subject.startsWith(`The revocation run ${run.id} is paused; certificates that wait: 1`),
      ),
    );
    expect(mail.to).toEqual([what.includes('its user') ? 'admin@localhost' : 'ann@example.com']);
    expect(mail.text).toContain(paused.faultDetail);
    const { version } = paused;
    await program.ok('PUT', `/revocations/${run.id}`, { state: 'running', perMinute: 6000, version });
    expect(await when(run.id, ({ state }) => state === 'finished')).toMatchObject({ faultDetail: null });
    expect(await stopped()).toEqual([]);
  });
});
