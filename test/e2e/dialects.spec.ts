import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/platform/config.js';
import { adminPassword, type Answer, startProgram, type TestProgram } from '../support/program.js';
import { routesOf } from '../support/routes.js';

let program: TestProgram;
const password = 'Correct-Horse-2!';
const caList = '/django_ca/api/ca/';

beforeAll(async () => {
  program = await startProgram({ DIALECTS: 'django-ca', PERENNIAL_ROLE: 'api' });
});
afterAll(() => program.stop());

async function send(path: string, authorization: string | null, init: RequestInit = {}): Promise<Answer> {
  const headers = { ...(init.headers as Record<string, string>), ...(authorization !== null && { authorization }) };
  const response = await fetch(`${program.url}${path}`, { ...init, headers });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

function basic(name: string, secret: string): string {
  return `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`;
}

async function signUp(username: string, ...roles: string[]): Promise<number> {
  const named = roles.map((name) => ({ name }));
  const body = { username, email: `${username}@example.com`, password, roles: named };
  return (await program.ok('POST', '/users', body)).id;
}

/** What requests at the same time are answered, each status once. */
const statusesOf = async (headers: string[]): Promise<number[]> => [
  ...new Set((await Promise.all(headers.map((header) => send(caList, header)))).map(({ status }) => status)),
];

const recorded = async (action: string): Promise<number> =>
  (await program.database.db.single.query<unknown[]>('select from audit_event where action = $1', [action])).length;

describe('DIALECTS', () => {
  it('turns on dialects by name, in any case, each once', () => {
    expect(loadConfig({}).dialects).toEqual([]);
    expect(loadConfig({ DIALECTS: 'Django-CA, django-ca' }).dialects).toEqual(['django-ca']);
  });

  it('refuses a name that is not known, and says which are', () => {
    expect(() => loadConfig({ DIALECTS: 'django-ca,lemur' })).toThrow(/DIALECTS.*must name dialects.*django-ca/);
  });

  it('serves nothing of a dialect that is not named', async () => {
    const plain = await startProgram({ PERENNIAL_ROLE: 'api' });
    try {
      expect((await fetch(`${plain.url}${caList}`)).status).toBe(404);
      expect(
        routesOf(plain).filter((route) => !/ \/(api|pki|problems|health|metrics|\.well-known)?/.test(route)),
      ).toEqual([]);
    } finally {
      await plain.stop();
    }
  });
});

describe('sign-in by Basic', () => {
  it('lets a user in by name or e-mail address, with every character in the password', async () => {
    const odd = 'Ünsafe:Pass-1! :';
    await program.ok('POST', '/users', { username: 'odd', email: 'odd@example.com', password: odd, roles: [] });
    expect((await send(caList, basic('odd', odd))).status).toBe(200);
    expect((await send(caList, basic('ODD@example.com', odd))).status).toBe(200);
    expect((await send(caList, basic('odd', odd.slice(0, -1)))).status).toBe(401);
  });

  it.each([
    ['no header', null],
    ['no scheme', Buffer.from(`admin:${adminPassword}`).toString('base64')],
    ['another scheme', `Bearer ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`],
    ['no colon', `Basic ${Buffer.from('admin').toString('base64')}`],
    ['no password', basic('admin', '')],
    ['no name', basic('', adminPassword)],
    ['a NUL character', basic('ad\0min', adminPassword)],
    ['what is not base64', 'Basic ***'],
  ])('answers 401 in the form of django-ca to %s, and counts no failure', async (_, header) => {
    const before = await recorded('session.refused');
    const answer = await send(caList, header);
    expect([answer.status, answer.body]).toEqual([401, { detail: 'Unauthorized' }]);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    expect(await recorded('session.refused')).toBe(before);
  });

  it('takes no token of a session or API key in place of the password', async () => {
    const token = await program.login('admin', adminPassword);
    expect((await send(caList, `Bearer ${token}`)).status).toBe(401);
    expect((await send('/api/1/auth/me', basic('admin', adminPassword))).status).toBe(401);
  });

  it('ends at once when the password is changed or the user deactivated', async () => {
    const id = await signUp('leaver');
    expect((await send(caList, basic('leaver', password))).status).toBe(200);
    await program.ok('PUT', `/users/${id}`, { password: 'Another-Horse-3!' });
    expect((await send(caList, basic('leaver', password))).status).toBe(401);
    expect((await send(caList, basic('leaver', 'Another-Horse-3!'))).status).toBe(200);
    await program.ok('PUT', `/users/${id}`, { active: false });
    expect((await send(caList, basic('leaver', 'Another-Horse-3!'))).status).toBe(401);
  });

  it('is refused in the audit log when the user has been deactivated', async () => {
    const id = await signUp('sleeper');
    expect((await send(caList, basic('sleeper', password))).status).toBe(200);
    await program.ok('PUT', `/users/${id}`, { active: false });
    const before = await recorded('session.refused');
    expect((await send(caList, basic('sleeper', password))).status).toBe(401);
    expect(await recorded('session.refused')).toBe(before + 1);
  });

  it('is recorded once an hour for each user, also when the password is checked again', async () => {
    const id = await signUp('walker');
    const opened = () =>
      program.database.db.single.query(
        `select after ->> 'way' as way, address from audit_event where action = 'session.opened' and target_id = $1`,
        [String(id)],
      );
    const one = { way: 'basic', address: expect.stringMatching(/127\.0\.0\.1$/) };
    for (const passed of [0, 61_000, 61_000]) {
      program.clock.advance(passed);
      expect((await send(caList, basic('walker', password))).status).toBe(200);
      expect(await opened()).toEqual([one]);
    }
    program.clock.advance(3_600_000);
    expect((await send(caList, basic('walker', password))).status).toBe(200);
    expect(await opened()).toEqual([one, one]);
  });

  it('lets many requests go on at once of who has signed out everywhere', async () => {
    await signUp('runner');
    expect((await send(caList, basic('runner', password))).status).toBe(200);
    const token = await program.login('runner', password);
    await program.call('POST', '/auth/logout', undefined, { token });
    expect(await statusesOf(Array.from({ length: 60 }, () => basic('runner', password)))).toEqual([200]);
  });

  it('lets many clients behind one address in at once', async () => {
    const names = Array.from({ length: 15 }, (_, i) => `client-${i}`);
    for (const name of names) await signUp(name);
    expect(await statusesOf(names.map((name) => basic(name, password)))).toEqual([200]);
    program.clock.advance(61_000);
    expect(await statusesOf(names.map((name) => basic(name, password)))).toEqual([200]);
  });

  it('counts requests at the same time with the same credentials as one attempt, and limits failures', async () => {
    await signUp('guessed');
    await signUp('new');
    expect(await statusesOf(Array.from({ length: 60 }, () => basic('guessed', password)))).toEqual([200]);
    const guesses = Array.from({ length: 30 }, (_, i) => send(caList, basic('guessed', `Wrong-Horse-${i}!`)));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401).length).toBe(10);
    expect(statuses.filter((status) => status === 429).length).toBe(20);
    // What was right before is no guess; what was never checked may be one.
    program.clock.advance(61_000);
    expect((await send(caList, basic('guessed', password))).status).toBe(200);
    expect((await send(caList, basic('new', password))).status).toBe(429);
    program.clock.advance(300_000);
    expect((await send(caList, basic('new', password))).status).toBe(200);
  });

  it('counts what was right before its password was changed, after the first failure', async () => {
    const id = await signUp('changer');
    expect((await send(caList, basic('changer', password))).status).toBe(200);
    await program.ok('PUT', `/users/${id}`, { password: 'Another-Horse-3!' });
    const statuses: number[] = [];
    for (let i = 0; i < 12; i += 1) statuses.push((await send(caList, basic('changer', password))).status);
    expect(statuses.filter((status) => status === 401).length).toBe(11);
    expect(statuses.at(-1)).toBe(429);
    program.clock.advance(300_000);
  });
});

describe('the surface of django-ca', () => {
  const admin = basic('admin', adminPassword);

  it.each<[string, Record<string, string>]>([
    ['post', { 'sec-fetch-site': 'cross-site' }],
    ['post', { 'sec-fetch-site': 'same-site' }],
    ['put', { origin: 'https://elsewhere.example.com' }],
  ])('refuses a %s that a page elsewhere sends with a remembered password: %j', async (method, headers) => {
    const path = method === 'put' ? '/django_ca/api/ca/ABC/' : '/django_ca/api/ca/ABC/revoke/DEF/';
    const answer = await send(path, admin, { method: method.toUpperCase(), headers: headers });
    expect([answer.status, answer.body]).toEqual([403, { detail: 'Forbidden' }]);
    // Of programs, which send no such header, and of its own pages.
    expect((await send(path, admin, { method: method.toUpperCase() })).status).not.toBe(403);
    const own = { 'sec-fetch-site': 'same-origin' };
    expect((await send(path, admin, { method: method.toUpperCase(), headers: own })).status).not.toBe(403);
    expect((await send(caList, admin, { headers: headers })).status).toBe(200);
  });

  it('ignores a slash at the end, as clients write it, and only there', async () => {
    expect((await send('/django_ca/api/ca/?expired=true', admin)).status).toBe(200);
    expect((await send('/django_ca/api/ca?expired=true', admin)).status).toBe(200);
    expect((await send('/django_ca/api//ca/', admin)).status).toBe(404);
    expect((await program.call('GET', '/users/')).status).toBe(404);
  });

  it('writes errors as django-ninja does', async () => {
    expect(await send('/django_ca/api/nothing/', admin)).toMatchObject({ status: 404, body: { detail: 'Not Found' } });
    const query = await send(`${caList}?expired=perhaps`, admin);
    expect([query.status, query.body]).toEqual([
      422,
      { detail: [{ type: 'value_error', loc: ['query', 'expired'], msg: 'Expected true or false' }] },
    ]);
    const unknown = await send(`${caList}?later=1`, admin);
    expect([unknown.status, unknown.body.detail[0].loc]).toEqual([422, ['query', 'later']]);
  });
});
