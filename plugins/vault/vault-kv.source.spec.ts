import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeVaultKv, kvToken, startVaultKv } from '../../test/fakes/vault-kv.js';
import { scanned, startTestAuthority } from '../../test/support/bundles.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { describeVaultKvSource } from '../../test/support/vault-kv-source-suite.js';
import { vaultKvSource } from './vault-kv.source.js';

let fake: FakeVaultKv;
beforeAll(async () => {
  fake = await startVaultKv();
});
afterAll(() => fake.stop());

describe('the source of a KV engine at a stand-in', () =>
  describeVaultKvSource(() => ({ url: fake.url, token: kvToken, adminToken: kvToken })));

describe('the source of a KV engine', () => {
  const authority = startTestAuthority();
  afterAll(() => authority.close());
  const options = (changed: object = {}) =>
    vaultKvSource.options.parse({
      url: fake.url,
      token: kvToken,
      mount: 'kv1',
      path: 'rights',
      timeoutS: 60,
      ...changed,
    });
  const denied = { status: 403, body: { errors: ['permission denied'] } };
  /** Twice: a missing right looks like a token that has ended, so that the program signs in again. */
  const deny = (on: RegExp): void => [1, 2].forEach(() => fake.fail({ on, kind: denied }));
  const { chainPem } = authority.issue('rights.kv.test');

  beforeAll(async () => {
    for (const path of ['a', 'below/b', 'c'])
      await fetch(`${fake.url}/v1/kv1/rights/${path}`, {
        method: 'POST',
        headers: { 'x-vault-token': kvToken },
        body: JSON.stringify({ pem: chainPem[0] }),
      });
  });

  it('tells of a secret and of a folder that it may not read, and reads the others', async () => {
    deny(/^GET \/v1\/kv1\/rights\/a$/);
    deny(/^GET \/v1\/kv1\/rights\/below\/$/);
    const found = await scanned(vaultKvSource, options(), networkContext());
    expect(found.map((one) => [one.kind, 'location' in one && one.location])).toEqual([
      ['trouble', 'kv1/rights/a'],
      ['certificate', 'kv1/rights/c'],
      ['trouble', 'kv1/rights/below/'],
    ]);
  });

  it.each([
    [
      'the server while it is sealed',
      /rights\/a$/,
      { status: 503, body: { errors: ['Vault is sealed'] } },
      'unavailable',
    ],
    ['a server that breaks the connection', /rights\/a$/, 'drop' as const, 'unavailable'],
    ['a server that does not answer', /rights\/a$/, 'hang' as const, 'unavailable'],
  ])('fails when it cannot read %s', async (_, on, kind, fault) => {
    fake.fail({ on, kind });
    const o = options(kind === 'hang' ? { timeoutS: 1 } : {});
    const error = await failureOf(scanned(vaultKvSource, o, networkContext()), [kvToken]);
    expect(error.fault).toBe(fault);
  });

  it('checks that the folder can be listed, and changes nothing', async () => {
    const before = fake.seen.length;
    await vaultKvSource.check?.(options(), networkContext());
    expect(fake.seen.slice(before).filter((line) => !/^(GET|POST \/v1\/auth)/.test(line))).toEqual([]);
    deny(/^GET \/v1\/kv1\/rights\/$/);
    expect((await failureOf(scanned(vaultKvSource, options(), networkContext()))).fault).toBe('misconfigured');
    deny(/^GET \/v1\/kv1\/rights\/$/);
    const checked = vaultKvSource.check?.(options(), networkContext()) ?? Promise.resolve();
    expect((await failureOf(checked)).fault).toBe('misconfigured');
  });
});
