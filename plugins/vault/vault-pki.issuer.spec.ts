import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type FakeVault, startVault, vaultAccount } from '../../test/fakes/vault-pki.js';
import { describeFaults, failureOf, issue, type IssuerBench } from '../../test/support/issuer-faults.js';
import { noMemory } from '../../test/support/issuer-requests.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { vaultPki } from './vault-pki.issuer.js';

let ca: SigningCa;
let fake: FakeVault;
beforeAll(() => {
  ca = startSigningCa();
});
afterAll(() => ca.close());
beforeEach(async () => {
  fake = await startVault(ca);
});
afterEach(() => fake.stop());

const { roleId, secretId, token, namespace } = vaultAccount;
const optionsWith =
  (signIn: object) =>
  (changed: object = {}) =>
    vaultPki.options.parse({ url: `${fake.url}/`, namespace, role: 'web', ...signIn, ...changed });
const bench: IssuerBench<typeof vaultPki.options> = {
  plugin: vaultPki,
  options: optionsWith({ roleId, secretId }),
  standIn: () => fake,
  ca: () => ca,
  names: ['www.example.com', 'example.com'],
  submits: /\/sign\/web$/,
  ordered: () => fake.kept.length,
  wrong: { secretId: 'Wrong-Secret-1' },
  secrets: [secretId, token],
  expire: () => fake.expireTokens(),
};
const { options } = bench;
const withTokens = (tokenOf: (address: string) => string | null): PluginContext => {
  const { site, ...rest } = networkContext();
  return { ...rest, site: { ...site, tokenFor: (address) => Promise.resolve(tokenOf(address)) } };
};
const byToken = optionsWith({ token });
const ask = (names = bench.names) => requestFor(names, { ca });
const ordering = async (chosen: ReturnType<typeof options>, names?: readonly string[]) =>
  vaultPki.order((await ask(names)).order, chosen, networkContext());

describeFaults(bench);
describe('with a token', () =>
  describeFaults({ ...bench, options: byToken, wrong: { token: 's.WrongToken' }, expire: undefined }));

describe('vault-pki', () => {
  it.each(['authMount', 'namespace', 'mount', 'role', 'issuer'])('lets %s lead to no other path', (option) => {
    for (const path of ['.', '..']) expect(() => options({ [option]: path })).toThrow('must not');
    expect(options({ [option]: '..a' })).toMatchObject({ [option]: '..a' });
  });

  it('sends the token of the operator to no path outside the auth methods', () => {
    expect(() => options({ authMount: '../../../hook' })).toThrow('must not hold');
  });

  it('asks for the names as parameters too, and for a minute less than the validity', async () => {
    await ordering(options(), ['www.example.com', 'example.com', 'a@example.com']);
    const { ttl, ...body } = fake.kept[0]?.body ?? {};
    expect(Math.abs(Number(ttl) - (90 * 86_400 - 60))).toBeLessThan(30);
    expect(body).toMatchObject({ common_name: 'www.example.com', exclude_cn_from_sans: true, ip_sans: '' });
    expect(body.alt_names).toBe('www.example.com,example.com,a@example.com');
    expect(body).not.toHaveProperty('key_usage');
  });

  it('has the key usages of the request signed verbatim, also for a name that the role does not allow', async () => {
    await ordering(options({ verbatim: true, role: undefined, issuer: 'web' }), ['www.example.org']);
    expect(fake.kept[0]?.body).toMatchObject({ key_usage: ['DigitalSignature'], ext_key_usage: [] });
    expect(fake.seen.at(-1)).toBe('POST /v1/pki/issuer/web/sign-verbatim');
  });

  it.each([
    ['a role that there is not', { role: 'nope' }, 'misconfigured', /unknown role/],
    ['an issuer that there is not', { issuer: 'nope' }, 'misconfigured', /unable to find PKI issuer/],
    ['an engine that there is not', { mount: 'other/pki' }, 'misconfigured', /no handler for route/],
    ['a namespace that there is not', { namespace: 'none' }, 'misconfigured', /namespace not found/],
    ['no role', { role: undefined }, 'misconfigured', /Give a role/],
    ['two ways to sign in', { token }, 'misconfigured', /Give either/],
    ['a role beside an AppRole', { jwtRole: 'web' }, 'misconfigured', /Give either/],
    ['no way to sign in', { roleId: undefined, secretId: undefined }, 'misconfigured', /Give either/],
  ])('tells a person what to do about %s, and the request is not to blame', async (_, changed, fault, words) => {
    const error = await failureOf(ordering(options(changed)), bench.secrets);
    expect([error.fault, error.detail]).toEqual([fault, expect.stringMatching(words)]);
  });

  it('is refused a name that the role does not allow', async () => {
    const error = await failureOf(ordering(options(), ['www.example.org']));
    expect([error.fault, error.detail]).toEqual(['refused', expect.stringContaining('not allowed by this role')]);
  });

  it('refuses to ask for a certificate that would be over at once', async () => {
    const { order } = await requestFor(bench.names, { ca, days: 1 / 1440 });
    expect((await failureOf(vaultPki.order(order, options(), networkContext()))).fault).toBe('refused');
  });

  it('signs in once for several calls, and anew when the token has ended', async () => {
    await ordering(options());
    await ordering(options());
    const logins = () => fake.seen.filter((line) => line.endsWith('/login')).length;
    expect(logins()).toBe(1);
    fake.expireTokens();
    await ordering(options());
    expect(logins()).toBe(2);
  });

  it.each([{ jwtRole: 'perennial' }, { jwtRole: 'perennial', authMount: 'jwt/ci' }])(
    'signs in by %j with the token that the operator keeps for the address, as it is then',
    async (signIn) => {
      const jwts = ['the-jwt-of-before', vaultAccount.jwt];
      const ctx = withTokens((address) => (address === `${fake.url}/` ? (jwts[0] ?? null) : null));
      const order = async () => vaultPki.order((await ask()).order, optionsWith(signIn)(), ctx);
      const error = await failureOf(order(), jwts);
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('permission denied')]);
      jwts.shift();
      await order();
      expect(fake.kept).toHaveLength(1);
    },
  );

  it('does not sign in by a role without a token for the address', async () => {
    const error = await failureOf(ordering(optionsWith({ jwtRole: 'perennial' })()));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('SERVICE_FILES')]);
    expect(fake.seen).toEqual([]);
  });

  it('renews a token before half of its time is over', async () => {
    const person = 's.Periodic';
    fake.tokenS = 300;
    fake.tokens.set(person, Date.now() + 300_000);
    await ordering(byToken({ token: person }));
    const renewals = () => fake.seen.filter((line) => line.endsWith('/renew-self')).length;
    expect(renewals()).toBe(1);
    const later = networkContext();
    await vaultPki.describe?.(byToken({ token: person }), { ...later, now: () => new Date(Date.now() + 80_000) });
    expect(renewals()).toBe(1);
    await vaultPki.describe?.(byToken({ token: person }), { ...later, now: () => new Date(Date.now() + 100_000) });
    expect(renewals()).toBe(2);
  });

  it('does not find an older certificate of the same key, nor one that is revoked', async () => {
    const { order } = await ask();
    await issue(bench, order);
    const state = (askedAt: number): string => JSON.stringify({ askedAt: new Date(askedAt) });
    const looked = (askedAt: number) =>
      vaultPki.find?.({ ...order, state: state(askedAt) }, options(), networkContext());
    expect((await looked(Date.now()))?.status).toBe('issued');
    expect(await looked(Date.now() + 3_600_000)).toBeNull();
    for (const kept of fake.kept) kept.revokedAt = 1;
    expect(await looked(Date.now())).toBeNull();
  });

  it.each([false, true])('revokes once and again (not kept by the engine: %s)', async (noStore) => {
    fake.noStore = noStore;
    const { chainPem } = await issue(bench, (await ask()).order);
    const request = { ...noMemory, chainPem, reason: 1 };
    await vaultPki.revoke?.(request, options(), networkContext());
    await vaultPki.revoke?.(request, options(), networkContext());
    expect(fake.kept.map(({ revokedAt }) => revokedAt > 0)).toEqual([true]);
  });

  it('is refused to revoke a certificate of another CA', async () => {
    const other = startSigningCa();
    const leafPem = other.sign((await ask()).order.request.csrPem, 5).replaceAll('Stand-in', 'Other');
    fake.fail({ on: /\/revoke$/, kind: { status: 400, body: { errors: ['certificate with serial 1 not found.'] } } });
    const words = '1 error occurred:\n\t* unable to verify signature on presented cert from any present issuer';
    fake.fail({ on: /\/revoke$/, kind: { status: 500, body: { errors: [words] } } });
    const work = vaultPki.revoke?.({ ...noMemory, chainPem: [leafPem], reason: 0 }, options(), networkContext());
    expect((await failureOf(work ?? Promise.resolve())).fault).toBe('refused');
    other.close();
  });

  it('lists what the engine holds, by name, state and serial number', async () => {
    const first = await issue(bench, (await ask()).order);
    const second = await issue(bench, (await ask(['mail.example.com'])).order);
    await vaultPki.revoke?.({ ...noMemory, chainPem: second.chainPem, reason: 0 }, options(), networkContext());
    const listed = async (request: object): Promise<string[]> => {
      const found: string[] = [];
      for await (const one of vaultPki.list?.(request, options(), networkContext()) ?? []) found.push(one.location);
      return found;
    };
    const [a = '', b = ''] = [first, second].map(({ externalId }) => externalId);
    expect(await listed({})).toEqual([a, b]);
    expect(await listed({ status: 'revoked' })).toEqual([b]);
    expect(await listed({ commonName: 'MAIL' })).toEqual([b]);
    expect(await listed({ skip: 1 })).toEqual([b]);
    const { serialNumber } = new X509Certificate(first.chainPem[0] ?? '');
    expect(await listed({ serialHex: serialNumber })).toEqual([a]);
    expect(await listed({ serialHex: 'ABC' })).toEqual([]);
  });

  it('lists nothing where the engine holds nothing', async () => {
    const found: unknown[] = [];
    for await (const one of vaultPki.list?.({}, options(), networkContext()) ?? []) found.push(one);
    expect(found).toEqual([]);
  });

  it.each([{}, { issuer: 'web' }])('names the issuers that have a key (%j)', async (changed) => {
    expect(await vaultPki.describe?.(options(changed), networkContext())).toEqual({
      issuers: [{ chainPem: [ca.issuingPem, ca.rootPem] }],
    });
  });

  it('tests the sign-in, the right to sign and the role without signing', async () => {
    await vaultPki.check?.(options(), networkContext());
    const failing = (changed: Record<string, unknown>) =>
      failureOf(vaultPki.check?.(options(changed), networkContext()) ?? Promise.resolve(), bench.secrets);
    expect((await failing(bench.wrong)).fault).toBe('misconfigured');
    expect((await failing({ role: 'nope' })).detail).toMatch(/has no role nope/);
    fake.maySign = false;
    expect((await failing({})).detail).toMatch(/does not allow this sign-in to update pki\/sign\/web/);
    expect(fake.kept).toEqual([]);
  });
});
