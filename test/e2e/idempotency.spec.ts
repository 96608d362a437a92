import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { IdempotentRequests } from '../../src/platform/http/idempotent-requests.js';
import type { Json } from '../support/json.js';
import { ApiDocument } from '../support/open-api.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { Fixtures } from './rights/fixtures.js';
import { requestOf } from './rights/requests.js';
import { rights } from './rights/table.js';

/** POST routes that make nothing, or nothing a second time: what they do is a state, a test or a sign-in. */
const makeNothing: ReadonlySet<string> = new Set(
  [
    '/admin/rekey',
    '/auth/google /auth/login /auth/logout /auth/oauth2 /auth/password /auth/ping',
    '/authorities/:id/account-key /authorities/:id/issuers/refresh /authorities/:id/crl',
    '/authorities/csrs/:id/certificate /authorities/:id/revocations',
    '/certificates/:id /certificates/:id/accept /certificates/:id/adopt /certificates/:id/export',
    '/certificates/:id/redeploy',
    '/certificates/:id/restore /certificates/:id/update/owner /certificates/:id/update/switches',
    '/channels/:id/test /destinations/:id/test /dns_providers/:id/test /notifications/:id/test /sources/:id/test',
    '/certificates/:id/verify /deliveries/:id/check /deliveries/:id/retry /jobs/:id/replay /jobs/replay',
    '/notices/:id/retry /profiles/:id/preview /tasks/:task/run /sources/:id/clean /sources/:id/sync /verify',
    '/pki/ocsp /pki/ocsp*',
    '/pending_certificates/:id/accept /pending_certificates/:id/reject /pending_certificates/:id/upload',
  ].flatMap((paths) => paths.split(' ').map((path) => `post ${path}`)),
);
const posts = [...rights.keys()].filter((route) => route.startsWith('post ') && !makeNothing.has(route));
/** They need a CA elsewhere. */
const elsewhere = ['post /authorities/:id/issuers', 'post /authorities/:id/persons'];
const makesHere = posts.filter((route) => !elsewhere.includes(route));

/** Their answer has a secret, which is shown once. */
const shownOnce: ReadonlySet<string> = new Set(['post /keys', 'post /users/:id/keys']);

let program: TestProgram;
let fixtures: Fixtures;
let number = 0;
beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
  fixtures = new Fixtures(program);
  await fixtures.prepare();
});
afterAll(async () => {
  fixtures.close();
  await program.stop();
});

const newKey = (): Record<string, string> => ({ 'Idempotency-Key': `key-${++number}` });
const events = async (): Promise<number> =>
  (await program.database.source.query<[{ n: number }]>('select count(*)::int as n from audit_event'))[0].n;
const profile = (name: string, headers: Record<string, string>, rules: object = {}) =>
  program.call('POST', '/profiles', { name, rules }, { headers });
const profiles = async (name: string): Promise<number> =>
  (await program.ok('GET', `/profiles?filter=name;"${name}"`)).total;

describe('the header Idempotency-Key', () => {
  it('is taken by every route that makes something, and by no other', async () => {
    const { operations } = new ApiDocument(await program.ok('GET', '/openapi.json'));
    const taking = operations
      .filter(({ words }) => (words.parameters ?? []).some((one: Json) => /^idempotency-key$/i.test(one.name)))
      .map(({ name }) => name.replace('/api/1', '').replaceAll(/\{(\w+)\}/g, ':$1'));
    expect(taking.sort()).toEqual(posts.sort());
  });

  it.each(makesHere)('has a repeated %s answered as the first, and makes nothing again', async (route) => {
    const { method, path, body } = await requestOf(fixtures, route);
    const headers = newKey();
    const first = await program.call(method, path, body, { headers });
    expect([first.status < 300, first.body]).toEqual([true, first.body]);
    const before = await events();
    const second = await program.call(method, path, body, { headers });
    if (shownOnce.has(route))
      expect([second.status, second.body.detail]).toEqual([409, expect.stringContaining('secret')]);
    else expect({ status: second.status, body: second.body }).toEqual({ status: first.status, body: first.body });
    expect(await events()).toBe(before);
    const other = await program.call(method, path, { ...body, description: 'another' }, { headers });
    expect([other.status, other.body.detail]).toEqual([409, 'This Idempotency-Key came with another request before.']);
  });

  it('belongs to one user, and must be a key', async () => {
    const headers = newKey();
    expect((await profile('shared-1', headers)).status).toBe(200);
    await program.ok('POST', '/users', {
      username: 'second',
      email: 'second@example.com',
      password: 'Correct-Horse-2!',
      roles: [{ name: 'admin' }],
    });
    const token = await program.login('second', 'Correct-Horse-2!');
    const answer = await program.call('POST', '/profiles', { name: 'shared-2', rules: {} }, { token, headers });
    expect([answer.status, answer.body.name]).toEqual([200, 'shared-2']);
    expect((await profile('x', { 'Idempotency-Key': 'two words' })).body.reasons).toEqual({
      'Idempotency-Key': [expect.any(String)],
    });
  });

  it.each(['post /users', 'post /roles', 'post /sources', 'post /destinations', 'post /profiles'])(
    'gives no answer of %s to a user who has lost the permission',
    async (route) => {
      const username = fixtures.word();
      const user = { username, email: `${username}@example.com`, active: true };
      const { id } = await program.ok('POST', '/users', {
        ...user,
        password: 'Correct-Horse-2!',
        roles: [{ name: 'admin' }],
      });
      const token = await program.login(username, 'Correct-Horse-2!');
      const headers = newKey();
      const { method, path, body } = await requestOf(fixtures, route);
      const send = () => program.call(method, path, body, { token, headers });
      const first = await send();
      expect(first.status).toBe(200);
      await program.ok('PUT', `/users/${id}`, { ...user, roles: [] });
      expect((await send()).status).toBe(403);
      await program.ok('PUT', `/users/${id}`, { ...user, roles: [{ name: 'admin' }] });
      expect((await send()).body).toEqual(first.body);
    },
  );

  it('stays free when the request is refused', async () => {
    const headers = newKey();
    expect((await profile('corrected', headers, { keyTypes: [] })).status).toBe(400);
    expect((await profile('shared-1', headers)).status).toBe(409);
    expect((await profile('corrected', headers)).status).toBe(200);
  });

  it('lets one of several requests at once make it (26: UCM#269)', async () => {
    const headers = newKey();
    const answers = await Promise.all([1, 2, 3, 4].map(() => profile('at once', headers)));
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
    expect(await profiles('at once')).toBe(1);
    expect((await profile('at once', headers)).status).toBe(200);
  });

  it('is refused when the first answer was lost, and nothing is made again', async () => {
    const headers = newKey();
    vi.spyOn(IdempotentRequests.prototype, 'settle').mockRejectedValueOnce(new Error('The process died.'));
    expect((await profile('unsettled', headers)).status).toBe(200);
    const { status, body } = await profile('unsettled', headers);
    expect([status, body.detail]).toEqual([409, expect.stringContaining('its answer is not known here')]);
    expect(await profiles('unsettled')).toBe(1);
  });

  it('is recorded in the transaction that makes it: without the one there is not the other', async () => {
    vi.spyOn(IdempotentRequests.prototype, 'claim').mockRejectedValueOnce(new Error('The connection is lost.'));
    expect((await profile('unclaimed', newKey())).status).toBe(500);
    expect(await profiles('unclaimed')).toBe(0);
  });

  it('keeps requests and answers sealed, for a day', async () => {
    const headers = newKey();
    const key = await program.call('POST', '/keys', { name: 'script', ttl: 5 }, { headers });
    expect(key.body.jwt).toEqual(expect.any(String));
    const rows = await program.database.source.query('select row_to_json(r)::text as text from idempotent_request r');
    const [kept] = await program.database.source.query(
      `select sealed_answer is null as "isNone" from idempotent_request where key = $1`,
      [headers['Idempotency-Key']],
    );
    expect(kept).toEqual({ isNone: true });
    expect(JSON.stringify(rows)).not.toContain(Buffer.from('shared-1').toString('hex'));
    const requests = program.perennial.app.get(IdempotentRequests, { strict: false });
    expect(await requests.prune(new Date(program.clock.now().getTime() - 86_400_000), 100)).toBe(0);
    program.clock.advance(86_400_000 + 1000);
    expect(await requests.prune(new Date(program.clock.now().getTime() - 86_400_000), 1000)).toBeGreaterThan(20);
  });
});
