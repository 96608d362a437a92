import { generateKeyPairSync } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Browser, type Page } from '../../../test/support/browser.js';
import { ApiDocument } from '../../../test/support/open-api.js';
import { type IdToken, startIssuer, type TestIssuer } from '../../../test/support/oidc-issuer.js';
import { startProgram, type TestProgram } from '../../../test/support/program.js';

const home = 'https://pki.example.org';
const callback = `${home}/api/1/auth/oidc/callback`;
const client = { client_id: 'perennial', client_secret: 'a secret of the client', redirect_uris: [callback], scope: 'openid email profile groups' };

let issuer: TestIssuer;
let program: TestProgram;
beforeAll(async () => {
  issuer = await startIssuer([client]);
  program = await startProgram({
    PUBLIC_URL: home, PERENNIAL_ROLE: 'api', OIDC_ISSUER: issuer.issuer, OIDC_CLIENT_ID: 'perennial', OIDC_CLIENT_SECRET: client.client_secret, OIDC_SCOPES: 'openid email profile groups',
    IDP_ROLES_MAPPING: 'pki-admins=admin, pki-ops=operator, the web=web@example.com', IDP_OWNER_DOMAINS: 'teams.example.com', SENSITIVE_DOMAIN_ROLES: 'bank',
  });
});
afterAll(async () => {
  await program.stop();
  await issuer.stop();
});
afterEach(() => {
  issuer.forge = null;
  issuer.outage = null;
  // Each test has five minutes' failures of its own.
  program.clock.advance(301_000);
});

const newBrowser = (): Browser => new Browser({ [home]: program.url });
const login = `${home}/api/1/auth/oidc/login`;

/** Somebody the provider knows, with a verified address. */
function person(name: string, claims: Record<string, unknown> = {}): string {
  issuer.people.set(name, { preferred_username: name, email: `${name}@example.com`, email_verified: true, ...claims });
  return name;
}

/** From the login page to our answer. */
async function signIn(name: string, browser = newBrowser(), from = login): Promise<Page> {
  return browser.visit(await browser.signIn(from, name, callback), { stopAt: home });
}

async function me(page: Page): Promise<{ username: string; email: string; roles: string[]; id: number }> {
  const { token } = JSON.parse(page.text) as { token: string };
  const { body } = await program.call('GET', '/auth/me', undefined, { token });
  return { ...body, roles: (body.roles as { name: string }[]).map((role) => role.name).sort() };
}

async function lastRefusal(): Promise<{ reason: string; way: string }> {
  const [{ after }] = await program.database.source.query<[{ after: { reason: string; way: string } }]>(
    `select after from audit_event where action = 'session.refused' order by id desc limit 1`);
  return after;
}

async function expectRefused(page: Page, reason: RegExp): Promise<void> {
  expect(page.status, page.text).toBe(403);
  expect(JSON.parse(page.text)).toMatchObject({ type: `${home}/problems/sign-in-refused` });
  expect((await lastRefusal()).reason).toMatch(reason);
}

describe('signing in with a browser', () => {
  it('makes the user, with the roles of the groups, and opens a session', async () => {
    const page = await signIn(person('ada', { groups: ['crypto', 'pki-ops', 'net@teams.example.com'] }));
    expect(page).toMatchObject({ status: 200 });
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(await me(page)).toMatchObject({ username: 'ada', email: 'ada@example.com', roles: ['ada@example.com', 'crypto', 'net@teams.example.com', 'operator'] });
    const events = await program.database.source.query(
      `select action, after from audit_event where actor_name = 'ada' and action not like 'role.%' order by id`);
    expect(events).toMatchObject([
      { action: 'user.created', after: { issuer: issuer.issuer, subject: 'ada' } }, { action: 'user.changed' }, { action: 'session.opened', after: { way: 'oidc' } }]);
  });

  it('finds the same user by subject, whatever becomes of name and address', async () => {
    const before = await me(await signIn(person('ben')));
    issuer.people.set('ben', { preferred_username: 'admin', email: 'admin@localhost', email_verified: true });
    expect(await me(await signIn('ben'))).toEqual(before);
  });

  it('returns to a path of ours with the token in the fragment, and to nowhere else', async () => {
    const page = await signIn(person('carla'), newBrowser(), `${login}?provider=oidc&returnTo=/certificates?page=2`);
    expect(page).toMatchObject({ status: 303, location: expect.stringMatching(/^https:\/\/pki\.example\.org\/certificates\?page=2#token=ey/) });
    for (const returnTo of ['https://evil.example', 'evil', '/\\evil.example', '/a\nb', '/a#b']) {
      expect((await newBrowser().visit(`${login}?returnTo=${encodeURIComponent(returnTo)}`)).status, returnTo).toBe(400);
    }
    expect((await newBrowser().visit(`${login}?provider=google`)).status).toBe(404);
  });

  it('asks for PKCE, state and nonce, and takes the redirect URI from the settings alone', async () => {
    const response = await fetch(`${program.url}/api/1/auth/oidc/login`, { redirect: 'manual', headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' } });
    const url = new URL(response.headers.get('location') ?? '');
    expect(url.origin).toBe(issuer.issuer);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      redirect_uri: callback, response_type: 'code', code_challenge_method: 'S256', code_challenge: expect.stringMatching(/^[\w-]{43}$/), nonce: expect.stringMatching(/^[\w-]{43}$/) });
    expect(response.headers.get('set-cookie')).toMatch(/^__Host-perennial-sign-in=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/);
    const [body = ''] = (url.searchParams.get('state') ?? '').split('.');
    expect(Object.keys(JSON.parse(Buffer.from(body, 'base64url').toString()) as object)).toEqual(['provider', 'id', 'expiresAtMs']);
  });

  it('keeps a deactivated user out, and ends the running session at once', async () => {
    const page = await signIn(person('dan'));
    const { id } = await me(page);
    await program.ok('PUT', `/users/${id}`, { active: false });
    expect((await program.call('GET', '/auth/me', undefined, { token: (JSON.parse(page.text) as { token: string }).token })).status).toBe(401);
    await expectRefused(await signIn('dan'), /not active/);
  });
});

describe('a client that takes the redirect itself', () => {
  it('lists the provider and exchanges the code, as clients of Lemur do', async () => {
    for (const path of ['/auth/oauth2', '/auth/ping']) {
      const browser = newBrowser();
      const [provider] = JSON.parse((await browser.visit(`${home}/api/1/auth/providers`)).text) as [{ authorizationUrl: string; state: string }];
      expect(provider).toMatchObject({ name: 'oidc', clientId: 'perennial', redirectUri: callback });
      const back = new URL(await browser.signIn(provider.authorizationUrl, person('eve'), callback));
      const body = { code: back.searchParams.get('code'), state: back.searchParams.get('state'), clientId: 'perennial', redirectUri: 'https://elsewhere.example' };
      expect(body.state).toBe(provider.state);
      const { status, body: answer } = await program.call('POST', path, body, { token: null, headers: { cookie: browser.cookies(home) } });
      expect({ status, answer }).toEqual({ status: 200, answer: { token: expect.stringMatching(/^ey/) } });
    }
  });

  it('gets a fresh state each time', async () => {
    const states = await Promise.all([1, 2].map(async () => (await program.call('GET', '/auth/providers', undefined, { token: null })).body[0].state as string));
    expect(new Set(states).size).toBe(2);
  });
});

describe('attacks', () => {
  it('a callback that another browser began (login CSRF) is refused, and the code is not spent', async () => {
    const [attacker, victim] = [newBrowser(), newBrowser()];
    const back = await attacker.signIn(login, person('mallory'), callback);
    await expectRefused(await victim.visit(back), /not one of this browser/);
    await victim.visit(login, { stopAt: issuer.issuer });
    await expectRefused(await victim.visit(back), /not one of this browser/);
    expect((await attacker.visit(back)).status).toBe(200);
  });

  it('a code that is sent twice is refused', async () => {
    const browser = newBrowser();
    const back = await browser.signIn(login, person('fay'), callback);
    expect((await browser.visit(back)).status).toBe(200);
    await expectRefused(await browser.visit(back), /state has been used/);
  });

  it('a code that is sent twice at once opens one session', async () => {
    const browser = newBrowser();
    const back = await browser.signIn(login, person('finn'), callback);
    const pages = await Promise.all([browser.visit(back), browser.visit(back), browser.visit(back)]);
    expect(pages.map(({ status }) => status).sort()).toEqual([200, 403, 403]);
  });

  it('a code from another sign-in does not fit (PKCE)', async () => {
    const [one, two] = [newBrowser(), newBrowser()];
    const stolen = new URL(await one.signIn(login, person('gil'), callback));
    const own = new URL(await two.signIn(login, person('mallory'), callback));
    own.searchParams.set('code', stolen.searchParams.get('code') ?? '');
    await expectRefused(await two.visit(own.href), /invalid_grant/);
  });

  it.each<[string, (url: URL) => void]>([
    ['no state', (url) => url.searchParams.delete('state')],
    ['an empty state', (url) => url.searchParams.set('state', '.')],
    ['a state with more behind it', (url) => url.searchParams.set('state', `${url.searchParams.get('state')}.x`)],
    ['another state', (url) => url.searchParams.set('state', `${url.searchParams.get('state')?.slice(0, -2)}AA`)],
    ['a state that was written by hand', (url) => url.searchParams.set('state', `${Buffer.from(JSON.stringify({ provider: 'oidc', id: 'x', expiresAtMs: 9e15 })).toString('base64url')}.AAAA`)],
    ['another issuer (mix-up)', (url) => url.searchParams.set('iss', 'https://evil.example')],
    ['no code', (url) => url.searchParams.delete('code')],
    ['another code', (url) => url.searchParams.set('code', 'guessed')],
  ])('%s opens nothing', async (_, change) => {
    const browser = newBrowser();
    const back = new URL(await browser.signIn(login, person('gus'), callback));
    change(back);
    expect([400, 403]).toContain((await browser.visit(back.href)).status);
  });

  it('a sign-in that took too long is refused', async () => {
    const browser = newBrowser();
    const back = await browser.signIn(login, person('hal'), callback);
    program.clock.advance(601_000);
    await expectRefused(await browser.visit(back), /took too long/);
  });

  const change = (claims: Record<string, unknown>, header: Record<string, unknown> = {}) => ({ token }: { token: IdToken }) =>
    ({ token: { header: { ...token.header, ...header }, claims: { ...token.claims, ...claims } } });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const hourAgo = (): number => Math.floor(Date.now() / 1000) - 3600;

  it.each<[string, (given: { token: IdToken }) => ReturnType<NonNullable<TestIssuer['forge']>>, RegExp]>([
    ['for another audience', change({ aud: 'somebody else' }), /claim value/],
    ['for us among others, to another party', change({ aud: ['perennial', 'somebody else'], azp: 'somebody else' }), /azp|claim value/],
    ['of another issuer', change({ iss: 'https://evil.example' }), /claim value/],
    ['without a nonce', change({ nonce: undefined }), /nonce/],
    ['with another nonce', change({ nonce: 'x'.repeat(43) }), /nonce|claim value/],
    ['that has expired', (given) => change({ iat: hourAgo() - 60, exp: hourAgo() })(given), /timestamp/],
    ['with alg none', change({}, { alg: 'none' }), /alg|unsupported|invalid/],
    ['with alg HS256', change({}, { alg: 'HS256' }), /alg|unsupported|invalid/],
    ['without a subject', change({ sub: '' }), /subject/i],
    ['signed by a stranger', ({ token }) => ({ token, key: stranger }), /signature/],
    ['signed by an unknown key', (given) => change({}, { kid: 'unknown' })(given), /key|selection|error/],
  ])('an ID token %s is refused', async (_, forge, reason) => {
    issuer.forge = (token) => forge({ token });
    await expectRefused(await signIn(person('ida')), reason);
    issuer.forge = null;
    expect((await signIn('ida')).status).toBe(200);
  });

  it('a foreign page that sends everybody to the callback fills neither the log nor the place of those who sign in', async () => {
    const refusals = async (): Promise<number> =>
      (await program.database.source.query<[{ n: number }]>(`select count(*)::int as n from audit_event where action = 'session.refused'`))[0].n;
    const before = await refusals();
    for (let i = 0; i < 10; i += 1) expect((await newBrowser().visit(`${callback}?code=x&state=x`)).status).toBe(403);
    for (let i = 0; i < 10; i += 1) expect((await newBrowser().visit(`${callback}?code=x&state=x`)).status).toBe(429);
    expect(await refusals()).toBe(before + 10);
    expect((await signIn(person('iris'))).status).toBe(200);
    expect((await program.call('POST', '/auth/login', { username: 'admin', password: 'x' }, { token: null })).status).toBe(401);
  });

  it('the eleventh failure at the provider from an address is not even looked at, and passwords still are', async () => {
    const fail = async (): Promise<number> => {
      const browser = newBrowser();
      const back = new URL(await browser.signIn(login, person('jan'), callback));
      back.searchParams.set('code', 'guessed');
      return (await browser.visit(back.href)).status;
    };
    for (let i = 0; i < 10; i += 1) expect(await fail()).toBe(403);
    expect(await fail()).toBe(429);
    expect((await program.call('POST', '/auth/login', { username: 'admin', password: 'x' }, { token: null })).status).toBe(401);
  });
});

describe('the provider', () => {
  it('may say no', async () => {
    const browser = newBrowser();
    const page = await browser.visit(login);
    const back = await browser.visit(new URL(/href="([^"]+abort)"/.exec(page.text)?.[1] ?? '', page.url).href, { stopAt: callback });
    expect(back.location).toContain('error=access_denied');
    await expectRefused(await browser.visit(back.location ?? ''), /access_denied/);
  });

  it('may be down: the answer says so, the list goes on, and passwords work', async () => {
    const browser = newBrowser();
    const back = await browser.signIn(login, person('jo'), callback);
    issuer.outage = 502;
    expect(await browser.visit(back)).toMatchObject({ status: 503 });
    program.clock.advance(3_600_000);
    expect(await browser.visit(login)).toMatchObject({ status: 503 });
    expect((await program.call('GET', '/auth/providers', undefined, { token: null })).body).toMatchObject([{ name: 'oidc', state: null, authorizationUrl: null }]);
    expect(await program.login('admin', 'Correct-Horse-1!')).toMatch(/^ey/);
    issuer.outage = null;
    expect((await signIn('jo')).status).toBe(200);
  });
});

describe('groups', () => {
  const rolesOf = async (name: string, groups: unknown): Promise<string[]> => (await me(await signIn(person(name, { groups })))).roles.filter((role) => role !== `${name}@example.com`);

  it('give and take roles, and leave what was given here', async () => {
    expect(await rolesOf('kim', ['a', 'b', 'pki-ops'])).toEqual(['a', 'b', 'operator']);
    const { id } = await me(await signIn('kim'));
    const local = await program.ok('POST', '/roles', { name: 'local', users: [{ id }] });
    expect(await rolesOf('kim', ['b'])).toEqual(['b', 'local']);
    // Who saves a user with the roles it has does not make them roles of ours.
    await program.ok('PUT', `/users/${id}`, { roles: (await program.ok('GET', `/users/${id}`)).roles });
    expect(await rolesOf('kim', [])).toEqual(['local']);
    expect(await rolesOf('kim', 'c')).toEqual(['c', 'local']);
    expect(await rolesOf('kim', undefined)).toEqual(['local']);
    await program.ok('DELETE', `/roles/${local.id}`);
  });

  it('take effect in running sessions at once', async () => {
    const page = await signIn(person('lea', { groups: ['pki-admins'] }));
    const { token } = JSON.parse(page.text) as { token: string };
    expect((await program.call('GET', '/logs', undefined, { token })).status).toBe(200);
    await rolesOf('lea', []);
    expect([401, 403]).toContain((await program.call('GET', '/logs', undefined, { token })).status);
  });

  it.each(['admin', 'Admin', 'operator', 'read-only', 'global_cert_issuer', 'creator', 'аdmin', 'ａｄｍｉｎ', 'read only'])('called %s give nothing that is built in', async (group) => {
    expect(await rolesOf('max', [group])).toEqual(expect.not.arrayContaining(['admin', 'operator', 'read-only', 'global_cert_issuer']));
  });

  it('called as a role that the settings name give nothing, whether it is there or not', async () => {
    expect(await rolesOf('mia', ['Bank', 'bank', 'x'])).toEqual(['x']);
    await program.ok('POST', '/roles', { name: 'bank' });
    expect(await rolesOf('mia', ['bank'])).toEqual([]);
  });

  it('do not give a role that was made here under their name', async () => {
    await program.ok('POST', '/roles', { name: 'vault' });
    await program.ok('POST', '/roles', { name: 'boss@example.com' });
    expect(await rolesOf('nia', ['vault', 'boss@example.com'])).toEqual([]);
    expect(await rolesOf('nia', ['the web'])).toEqual(['web@example.com']);
  });
});

describe('the OpenAPI document', () => {
  it('describes the answers', async () => {
    const api = new ApiDocument(await program.ok('GET', '/openapi.json'));
    const holds = (name: string, { status, headers, text }: Pick<Page, 'status' | 'headers' | 'text'>): void => {
      const operation = api.operations.find((known) => known.name === name);
      api.expectDescribed(operation ?? expect.fail(name), { status, headers, body: text === '' ? '' : JSON.parse(text) });
    };
    const page = (name: string): Promise<Page> => newBrowser().visit(`${home}/api/1/auth/${name}`, { stopAt: issuer.issuer });
    holds('get /api/1/auth/providers', await page('providers'));
    holds('get /api/1/auth/oidc/login', await page('oidc/login'));
    holds('get /api/1/auth/oidc/login', await page('oidc/login?provider=other'));
    holds('get /api/1/auth/oidc/callback', await signIn(person('pam')));
    holds('get /api/1/auth/oidc/callback', await signIn('pam', newBrowser(), `${login}?returnTo=/`));
    for (const name of ['oidc/callback', 'oauth2', 'ping']) holds(`get /api/1/auth/${name}`, await page(`${name}?state=x&session_state=y`));
    for (const name of ['oauth2', 'ping', 'google']) {
      const { body, ...answer } = await program.call('POST', `/auth/${name}`, { code: 'x', state: 'x' }, { token: null });
      holds(`post /api/1/auth/${name}`, { ...answer, text: JSON.stringify(body) });
    }
  });
});

describe('identities', () => {
  it('can be read and cut off by an administrator; the next sign-in is a stranger\'s', async () => {
    const { id } = await me(await signIn(person('oda')));
    const { items } = await program.ok('GET', `/users/${id}/identities`);
    expect(items).toMatchObject([{ issuer: issuer.issuer, subject: 'oda', lastSignInAt: expect.stringMatching(/^20/) }]);
    await program.ok('DELETE', `/users/${id}/identities/${items[0].id}`);
    await expectRefused(await signIn('oda'), /already a user with the address/);
    expect((await program.call('DELETE', `/users/${id}/identities/${items[0].id}`)).status).toBe(404);
  });
});
