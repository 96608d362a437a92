import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeVaultKv, kvToken, startVaultKv } from '../../test/fakes/vault-kv.js';
import type { StandInFault } from '../../test/fakes/stand-in.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { describeVaultKv } from '../../test/support/vault-kv-suite.js';
import { vaultKv } from './vault-kv.destination.js';

let fake: FakeVaultKv;
beforeAll(async () => {
  fake = await startVaultKv();
});
afterAll(() => fake.stop());

describe('vault-kv at a stand-in', () =>
  describeVaultKv(() => ({ url: fake.url, token: kvToken, adminToken: kvToken })));

describe('vault-kv', () => {
  const authority = startTestAuthority();
  afterAll(() => authority.close());
  const options = (changed: object = {}) =>
    vaultKv.options.parse({ url: fake.url, token: kvToken, mount: 'kv2', timeoutS: 60, ...changed });

  it.each([
    { path: '/x' },
    { path: 'x/' },
    { path: 'a/../b' },
    { path: 'x/{name}' },
    { path: '' },
    { mount: '../sys' },
    { fields: 'other' },
    { other: 1 },
  ])('has no options %j', (changed) => {
    expect(vaultKv.options.safeParse({ url: fake.url, token: kvToken, ...changed }).success).toBe(false);
  });

  it.each<[string, StandInFault['kind']]>([
    ['breaks the connection', 'drop'],
    ['breaks the connection after the work', 'lose'],
    ['does not answer', 'hang'],
    ['is sealed', { status: 503, body: { errors: ['Vault is sealed'] } }],
    ['upgrades the engine', { status: 400, body: { errors: ['Upgrading from non-versioned to versioned data.'] } }],
  ])('delivers later to a server that %s', async (_, kind) => {
    const bundle = authority.issue('later.example.com');
    fake.fail({ on: /^POST .*\/data\//, kind });
    const o = options(kind === 'hang' ? { timeoutS: 1 } : {});
    const error = await failureOf(vaultKv.deliver({ bundle, files: [], round: '1.1' }, o, networkContext()), [kvToken]);
    expect(error.fault).toBe('unavailable');
    const writes = (): number => fake.seen.filter((line) => /^POST .*\/data\//.test(line)).length;
    const before = writes();
    await vaultKv.deliver({ bundle, files: [], round: '1.1' }, options(), networkContext());
    expect(writes() - before).toBe(kind === 'lose' ? 0 : 1);
  });

  it('writes the same secret of version 1 once', async () => {
    const bundle = authority.issue('once.example.com');
    for (let times = 0; times < 2; times += 1)
      await vaultKv.deliver({ bundle, files: [], round: '1.1' }, options({ mount: 'kv1' }), networkContext());
    expect(fake.seen.filter((line) => line === 'POST /v1/kv1/certificates/once.example.com')).toHaveLength(1);
  });

  it.each([
    ['no key', { privateKeyPem: undefined }],
    ['the key of another', { privateKeyPem: authority.issue('other.example.com').privateKeyPem }],
  ])('refuses a bundle with %s, and asks the server nothing', async (_, changed) => {
    const before = fake.seen.length;
    const bundle = { ...authority.issue('bad.example.com'), ...changed };
    expect(
      (await failureOf(vaultKv.deliver({ bundle, files: [], round: '1.1' }, options(), networkContext()))).fault,
    ).toBe('refused');
    expect(fake.seen.length).toBe(before);
  });

  it('does not admit options without one way to sign in', async () => {
    for (const changed of [{ token: undefined }, { roleId: 'r' }, { jwtRole: 'r' }, { token: undefined, jwtRole: 'r' }])
      expect((await failureOf(vaultKv.admit?.(options(changed), networkContext()) ?? Promise.resolve())).fault).toBe(
        'misconfigured',
      );
    await vaultKv.admit?.(options(), networkContext());
  });

  it('names the rights that the sign-in lacks', async () => {
    fake.capabilities = ['create', 'read'];
    const checked = vaultKv.check?.(options(), networkContext()) ?? Promise.resolve();
    expect((await failureOf(checked)).detail).toMatch(/to update kv2\/data\/certificates\/www\.example\.com/);
    fake.capabilities = ['root'];
  });
});
