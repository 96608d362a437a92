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

  it('opens no session, and lets go on who has signed out everywhere', async () => {
    await signUp('walker');
    const before = await recorded('session.opened');
    expect((await send(caList, basic('walker', password))).status).toBe(200);
    expect(await recorded('session.opened')).toBe(before);
    const token = await program.login('walker', password);
    await program.call('POST', '/auth/logout', undefined, { token });
    expect((await send(caList, basic('walker', password))).status).toBe(200);
  });

  it('counts requests at the same time with the same credentials as one attempt, and limits failures', async () => {
    await signUp('guessed');
    const sixty = Array.from({ length: 60 }, () => send(caList, basic('guessed', password)));
    expect(new Set((await Promise.all(sixty)).map(({ status }) => status))).toEqual(new Set([200]));
    const statuses: number[] = [];
    for (let i = 0; i < 12; i += 1) statuses.push((await send(caList, basic('guessed', `Wrong-Horse-${i}!`))).status);
    expect(statuses.slice(-2)).toEqual([429, 429]);
    // The right password was checked a moment ago.
    expect((await send(caList, basic('guessed', password))).status).toBe(200);
    program.clock.advance(61_000);
    expect((await send(caList, basic('guessed', password))).status).toBe(429);
    program.clock.advance(300_000);
    expect((await send(caList, basic('guessed', password))).status).toBe(200);
  });
});

describe('the surface of django-ca', () => {
  const admin = basic('admin', adminPassword);

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
