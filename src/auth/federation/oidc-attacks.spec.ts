import { generateKeyPairSync } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { IdToken, TestIssuer } from '../../../test/support/oidc-issuer.js';
import { callback, login, SignInSite } from '../../../test/support/sign-in-site.js';

let site: SignInSite;
let issuer: SignInSite['issuer'];
let program: SignInSite['program'];
let newBrowser: SignInSite['newBrowser'];
let person: SignInSite['person'];
let signIn: SignInSite['signIn'];
let expectRefused: SignInSite['expectRefused'];
beforeAll(async () => {
  site = await SignInSite.start();
  ({ issuer, program, newBrowser, person, signIn, expectRefused } = site);
});
afterAll(() => site.stop());
afterEach(() => site.calm());

const changedAtTheEnd = (text: string): string => `${text.slice(0, -2)}${text.endsWith('AA') ? 'BA' : 'AA'}`;

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
    ['another state', (url) => url.searchParams.set('state', changedAtTheEnd(url.searchParams.get('state') ?? ''))],
    [
      'a state that was written by hand',
      (url) =>
        url.searchParams.set(
          'state',
          `${Buffer.from(JSON.stringify({ provider: 'oidc', id: 'x', expiresAtMs: 9e15 })).toString('base64url')}.AAAA`,
        ),
    ],
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

  const change =
    (claims: Record<string, unknown>, header: Record<string, unknown> = {}) =>
    ({ token }: { token: IdToken }) => ({
      token: { header: { ...token.header, ...header }, claims: { ...token.claims, ...claims } },
    });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const hourAgo = (): number => Math.floor(Date.now() / 1000) - 3600;

  it.each<[string, (given: { token: IdToken }) => ReturnType<NonNullable<TestIssuer['forge']>>, RegExp]>([
    ['for another audience', change({ aud: 'somebody else' }), /claim value/],
    [
      'for us among others, to another party',
      change({ aud: ['perennial', 'somebody else'], azp: 'somebody else' }),
      /azp|claim value/,
    ],
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

  it('a foreign page that sends everybody to the callback fills neither the log nor the place of others', async () => {
    const refusals = async (): Promise<number> =>
      (
        await program.database.source.query<[{ n: number }]>(
          `select count(*)::int as n from audit_event where action = 'session.refused'`,
        )
      )[0].n;
    const before = await refusals();
    for (let i = 0; i < 10; i += 1) expect((await newBrowser().visit(`${callback}?code=x&state=x`)).status).toBe(403);
    for (let i = 0; i < 10; i += 1) expect((await newBrowser().visit(`${callback}?code=x&state=x`)).status).toBe(429);
    expect(await refusals()).toBe(before + 10);
    expect((await signIn(person('iris'))).status).toBe(200);
    expect(
      (await program.call('POST', '/auth/login', { username: 'admin', password: 'x' }, { token: null })).status,
    ).toBe(401);
  });

  it('the eleventh failure at the provider from an address is not looked at, and passwords still are', async () => {
    const fail = async (): Promise<number> => {
      const browser = newBrowser();
      const back = new URL(await browser.signIn(login, person('jan'), callback));
      back.searchParams.set('code', 'guessed');
      return (await browser.visit(back.href)).status;
    };
    for (let i = 0; i < 10; i += 1) expect(await fail()).toBe(403);
    expect(await fail()).toBe(429);
    expect(
      (await program.call('POST', '/auth/login', { username: 'admin', password: 'x' }, { token: null })).status,
    ).toBe(401);
  });
});
