import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProgram, type TestProgram } from '../support/program.js';
import { routesOf } from '../support/routes.js';
import { Fixtures, password, team } from './rights/fixtures.js';
import { askRoute } from './rights/requests.js';
import { actors, rights, type WhoAsks } from './rights/table.js';

// One test asks every route with every kind of invalid token.
let program: TestProgram;
let fixtures: Fixtures;
/** Bearer tokens of those in the table, and of those who have none that is good. */
const tokens: Partial<Record<WhoAsks, string>> = {};
const dead: Record<string, string> = {};

beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api', ALLOW_CERT_DELETION: 'true' });
  fixtures = new Fixtures(program);
  await makeExpired();
  await makeLiving();
  await makeDead();
});
afterAll(async () => {
  fixtures.close();
  await program.stop();
});

async function signUp(username: string, ...roles: string[]): Promise<{ id: number; token: string }> {
  const names = roles.map((name) => ({ name }));
  const { id } = await program.ok('POST', '/users', {
    username,
    email: `${username}@example.com`,
    password,
    roles: names,
  });
  return { id, token: await program.login(username, password) };
}

const keyOf = async (token: string, body: object): Promise<{ id: number; jwt: string }> =>
  (await program.call('POST', '/keys', { name: 'key', ttl: -1, ...body }, { token })).body;

/** Tokens live for a year in this program; what is made before the clock moves on is expired for good. */
async function makeExpired(): Promise<void> {
  const { token } = await signUp('late');
  dead['expired token'] = token;
  dead['expired API key'] = (await keyOf(token, { ttl: 30 })).jwt;
  program.clock.advance(366 * 86_400_000);
}

async function makeLiving(): Promise<void> {
  await fixtures.prepare();
  tokens.user = (await signUp('user')).token;
  tokens.reader = (await signUp('reader', 'read-only', team)).token;
  tokens.owner = (await signUp('owner', team)).token;
  tokens.auditor = (await signUp('auditor', 'auditor')).token;
  tokens.operator = (await signUp('operator', 'operator')).token;
  tokens.admin = await program.login('admin', 'Correct-Horse-1!');
  tokens.key = (await keyOf(tokens.owner, { scopes: ['certificate:read'] })).jwt;
  tokens.bareKey = (await keyOf(tokens.owner, {})).jwt;
}

async function makeDead(): Promise<void> {
  const leaver = await signUp('leaver');
  await program.call('POST', '/auth/logout', undefined, { token: leaver.token });
  dead['revoked token'] = leaver.token;
  const gone = await signUp('gone');
  dead['token of a deactivated user'] = gone.token;
  dead['API key of a deactivated user'] = (await keyOf(gone.token, {})).jwt;
  await program.ok('PUT', `/users/${gone.id}`, { active: false });
  const revoked = await keyOf(tokens.admin ?? '', {});
  await program.ok('PUT', `/keys/${revoked.id}`, { revoked: true });
  dead['revoked API key'] = revoked.jwt;
  dead['nonsense'] = 'nonsense';
}

const inApi = (route: string): boolean => !/ \/(api\/1\/(docs|openapi\.json)|problems|metrics|health)/.test(route);
const served = (): string[] =>
  routesOf(program)
    .filter(inApi)
    .map((route) => route.replace('/api/1', ''));

async function status(route: string, token: string | null): Promise<number> {
  const answer = await askRoute(program, fixtures, route, token);
  // Of many things at once each is answered for by itself.
  return answer.body?.items?.[0]?.problem?.status ?? answer.status;
}

const word = (code: number): string => (code >= 200 && code < 300 ? 'ok' : String(code));

describe('the table of rights', () => {
  it('has every route of the program, and no other', () => {
    expect([...rights.keys()].sort()).toEqual(served().sort());
  });

  it.each([...rights])('has the answers of %s to every kind of user', async (route, expected) => {
    const answered: Record<string, string> = {};
    for (const actor of actors) {
      answered[actor] = word(await status(route, tokens[actor] ?? null));
      if (route === 'post /auth/logout' && actor !== 'none') await makeLivingAgain(actor);
    }
    expect(answered).toEqual(expected);
  });

  it('answers 401 for every route to revoked, deactivated or invalid tokens and keys', async () => {
    const open: string[] = [];
    for (const [route, { none }] of rights) {
      if (none !== '401') continue;
      for (const [whose, token] of Object.entries(dead))
        if ((await status(route, token)) !== 401) open.push(`${route}: ${whose}`);
    }
    expect(open).toEqual([]);
  });
});

async function makeLivingAgain(actor: WhoAsks): Promise<void> {
  if (actor === 'key' || actor === 'bareKey') return;
  tokens[actor] = await program.login(actor, actor === 'admin' ? 'Correct-Horse-1!' : password);
}
