import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from '../../../test/support/browser.js';
import { ApiDocument } from '../../../test/support/open-api.js';
import { home, callback, login, SignInSite } from '../../../test/support/sign-in-site.js';

let site: SignInSite;
let issuer: SignInSite['issuer'];
let program: SignInSite['program'];
let newBrowser: SignInSite['newBrowser'];
let person: SignInSite['person'];
let signIn: SignInSite['signIn'];
let me: SignInSite['me'];
let expectRefused: SignInSite['expectRefused'];
beforeAll(async () => {
  site = await SignInSite.start();
  ({ issuer, program, newBrowser, person, signIn, me, expectRefused } = site);
});
afterAll(() => site.stop());
afterEach(() => site.calm());

describe('signing in with a browser', () => {
  it('makes the user, with the roles of the groups, and opens a session', async () => {
    const page = await signIn(person('ada', { groups: ['crypto', 'pki-ops', 'net@teams.example.com'] }));
    expect(page).toMatchObject({ status: 200 });
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(await me(page)).toMatchObject({
      username: 'ada',
      email: 'ada@example.com',
      roles: ['ada@example.com', 'crypto', 'net@teams.example.com', 'operator'],
    });
    const events = await program.database.source.query(
      `select action, after from audit_event where actor_name = 'ada' and action not like 'role.%' order by id`,
    );
    expect(events).toMatchObject([
      { action: 'user.created', after: { issuer: issuer.issuer, subject: 'ada' } },
      { action: 'user.changed' },
      { action: 'session.opened', after: { way: 'oidc' } },
    ]);
  });

  it('finds the same user by subject, whatever becomes of name and address', async () => {
    const before = await me(await signIn(person('ben')));
    issuer.people.set('ben', { preferred_username: 'admin', email: 'admin@localhost', email_verified: true });
    expect(await me(await signIn('ben'))).toEqual(before);
  });

  it('returns to a path of ours with the token in the fragment, and to nowhere else', async () => {
    const page = await signIn(person('carla'), newBrowser(), `${login}?provider=oidc&returnTo=/certificates?page=2`);
    expect(page).toMatchObject({
      status: 303,
      location: expect.stringMatching(/^https:\/\/pki\.example\.org\/certificates\?page=2#token=ey/),
    });
    for (const returnTo of ['https://evil.example', 'evil', '/\\evil.example', '/a\nb', '/a#b']) {
      expect((await newBrowser().visit(`${login}?returnTo=${encodeURIComponent(returnTo)}`)).status, returnTo).toBe(
        400,
      );
    }
    expect((await newBrowser().visit(`${login}?provider=google`)).status).toBe(404);
  });

  it('asks for PKCE, state and nonce, and takes the redirect URI from the settings alone', async () => {
    const response = await fetch(`${program.url}/api/1/auth/oidc/login`, {
      redirect: 'manual',
      headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' },
    });
    const url = new URL(response.headers.get('location') ?? '');
    expect(url.origin).toBe(issuer.issuer);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      redirect_uri: callback,
      response_type: 'code',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(response.headers.get('set-cookie')).toMatch(
      /^__Host-perennial-sign-in=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/,
    );
    const [body = ''] = (url.searchParams.get('state') ?? '').split('.');
    expect(Object.keys(JSON.parse(Buffer.from(body, 'base64url').toString()) as object)).toEqual([
      'provider',
      'id',
      'expiresAtMs',
    ]);
  });

  it('keeps a deactivated user out, and ends the running session at once', async () => {
    const page = await signIn(person('dan'));
    const { id } = await me(page);
    await program.ok('PUT', `/users/${id}`, { active: false });
    expect(
      (await program.call('GET', '/auth/me', undefined, { token: (JSON.parse(page.text) as { token: string }).token }))
        .status,
    ).toBe(401);
    await expectRefused(await signIn('dan'), /not active/);
  });
});

describe('a client that takes the redirect itself', () => {
  it('lists the provider and exchanges the code, as clients of Lemur do', async () => {
    for (const path of ['/auth/oauth2', '/auth/ping']) {
      const browser = newBrowser();
      const [provider] = JSON.parse((await browser.visit(`${home}/api/1/auth/providers`)).text) as [
        { authorizationUrl: string; state: string },
      ];
      expect(provider).toMatchObject({ name: 'oidc', clientId: 'perennial', redirectUri: callback });
      const back = new URL(await browser.signIn(provider.authorizationUrl, person('eve'), callback));
      const body = {
        code: back.searchParams.get('code'),
        state: back.searchParams.get('state'),
        clientId: 'perennial',
        redirectUri: 'https://elsewhere.example',
      };
      expect(body.state).toBe(provider.state);
      const { status, body: answer } = await program.call('POST', path, body, {
        token: null,
        headers: { cookie: browser.cookies(home) },
      });
      expect({ status, answer }).toEqual({ status: 200, answer: { token: expect.stringMatching(/^ey/) } });
    }
  });

  it('gets a fresh state each time', async () => {
    const states = await Promise.all(
      [1, 2].map(
        async () => (await program.call('GET', '/auth/providers', undefined, { token: null })).body[0].state as string,
      ),
    );
    expect(new Set(states).size).toBe(2);
  });
});

describe('the provider', () => {
  it('may say no', async () => {
    const browser = newBrowser();
    const page = await browser.visit(login);
    const back = await browser.visit(new URL(/href="([^"]+abort)"/.exec(page.text)?.[1] ?? '', page.url).href, {
      stopAt: callback,
    });
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
    expect((await program.call('GET', '/auth/providers', undefined, { token: null })).body).toMatchObject([
      { name: 'oidc', state: null, authorizationUrl: null },
    ]);
    expect(await program.login('admin', 'Correct-Horse-1!')).toMatch(/^ey/);
    issuer.outage = null;
    expect((await signIn('jo')).status).toBe(200);
  });
});

describe('groups', () => {
  const rolesOf = async (name: string, groups: unknown): Promise<string[]> =>
    (await me(await signIn(person(name, { groups })))).roles.filter((role) => role !== `${name}@example.com`);

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

  it.each([
    'admin',
    'Admin',
    'operator',
    'read-only',
    'global_cert_issuer',
    'creator',
    'аdmin',
    'ａｄｍｉｎ',
    'read only',
  ])('called %s give nothing that is built in', async (group) => {
    expect(await rolesOf('max', [group])).toEqual(
      expect.not.arrayContaining(['admin', 'operator', 'read-only', 'global_cert_issuer']),
    );
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
      api.expectDescribed(operation ?? expect.fail(name), {
        status,
        headers,
        body: text === '' ? '' : JSON.parse(text),
      });
    };
    const page = (name: string): Promise<Page> =>
      newBrowser().visit(`${home}/api/1/auth/${name}`, { stopAt: issuer.issuer });
    holds('get /api/1/auth/providers', await page('providers'));
    holds('get /api/1/auth/oidc/login', await page('oidc/login'));
    holds('get /api/1/auth/oidc/login', await page('oidc/login?provider=other'));
    holds('get /api/1/auth/oidc/callback', await signIn(person('pam')));
    holds('get /api/1/auth/oidc/callback', await signIn('pam', newBrowser(), `${login}?returnTo=/`));
    for (const name of ['oidc/callback', 'oauth2', 'ping'])
      holds(`get /api/1/auth/${name}`, await page(`${name}?state=x&session_state=y`));
    for (const name of ['oauth2', 'ping', 'google']) {
      const { body, ...answer } = await program.call(
        'POST',
        `/auth/${name}`,
        { code: 'x', state: 'x' },
        { token: null },
      );
      holds(`post /api/1/auth/${name}`, { ...answer, text: JSON.stringify(body) });
    }
  });
});

describe('identities', () => {
  it("can be read and cut off by an administrator; the next sign-in is a stranger's", async () => {
    const { id } = await me(await signIn(person('oda')));
    const { items } = await program.ok('GET', `/users/${id}/identities`);
    expect(items).toMatchObject([
      { issuer: issuer.issuer, subject: 'oda', lastSignInAt: expect.stringMatching(/^20/) },
    ]);
    await program.ok('DELETE', `/users/${id}/identities/${items[0].id}`);
    await expectRefused(await signIn('oda'), /already a user with the address/);
    expect((await program.call('DELETE', `/users/${id}/identities/${items[0].id}`)).status).toBe(404);
  });
});
