import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formOf, secretKeys } from '../../src/plugin-api/options.js';
import {
  aliasesIn,
  certificatesIn,
  exportContext,
  hasKeytool,
  KEY_TYPES,
  KeyType,
  keyByJava,
  keyIn,
  listStore,
  makeBundle,
  openssl,
  saved,
} from '../../test/support/keystores.js';
import { spawnSync } from '../../test/support/sync-programs.js';
import { pkcs12TruststoreExport } from './pkcs12-truststore.export.js';
import { pkcs12Export } from './pkcs12.export.js';

const PASSPHRASE = 'correct "horse" $battery';
const MISCONFIGURED = { name: 'PluginError', fault: 'misconfigured' };
const folder = mkdtempSync(join(tmpdir(), 'pkcs12-'));
const bundles = Object.fromEntries(
  (Object.keys(KEY_TYPES) as KeyType[]).map((type) => [type, makeBundle(folder, type)]),
) as Record<KeyType, ReturnType<typeof makeBundle>>;
afterAll(() => rmSync(folder, { recursive: true }));

function info(path: string, pass: string): string {
  return openssl(['pkcs12', '-in', path, '-noenc', '-passin', 'env:PASS'], pass);
}

/** The algorithms and counts of a file, which openssl prints on stderr. */
function structure(path: string): string {
  const args = ['pkcs12', '-info', '-in', path, '-nokeys', '-noenc', '-passin', 'env:PASS'];
  return spawnSync('openssl', args, { encoding: 'utf8', env: { ...process.env, PASS: PASSPHRASE } }).stderr;
}

describe.each(Object.keys(KEY_TYPES) as KeyType[])('pkcs12 with an %s key', (keyType) => {
  const bundle = bundles[keyType];
  const withoutRoot = bundle.chainPem.slice(0, 2).flatMap(certificatesIn);

  describe.each(['modern', 'legacy'])('%s', (type) => {
    const file = pkcs12Export
      .export(
        { bundle, stem: bundle.name },
        pkcs12Export.options.parse({ type, passphrase: PASSPHRASE }),
        exportContext,
      )
      .then((exported) =>
        saved(folder, { ...exported, files: exported.files.map((f) => ({ ...f, name: `${type}-${f.name}` })) }),
      );

    it('opens in openssl with key and chain, and with no other password', async () => {
      const text = info(await file, PASSPHRASE);
      expect(certificatesIn(text)).toEqual(withoutRoot);
      expect(keyIn(text)).toBe(keyIn(bundle.privateKeyPem));
      expect(text.match(/friendlyName: leaf\.example\.test/g)).toHaveLength(2);
      expect(text.match(/localKeyID: 01/g)).toHaveLength(2);
      const path = await file;
      expect(() => info(path, 'wrong horse')).toThrow();
    });

    it.skipIf(!hasKeytool)('opens in Java with key and chain', async () => {
      const listed = listStore(await file, PASSPHRASE);
      expect(listed).toContain('Alias name: leaf.example.test');
      expect(listed).toContain('Entry type: PrivateKeyEntry');
      expect(listed).toContain('Certificate chain length: 2');
      expect(certificatesIn(listed)).toEqual(withoutRoot);
      expect(keyByJava(await file, PASSPHRASE)).toBe(keyIn(bundle.privateKeyPem));
    });
  });
});
describe('pkcs12', () => {
  const bundle = bundles.ec;
  const exported = (input: object) =>
    pkcs12Export.export({ bundle, stem: bundle.name }, pkcs12Export.options.parse(input), exportContext);

  it.each([
    [{}, ['MAC: sha256, Iteration 100000', 'PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256']],
    [{ type: 'PKCS12 (.p12)' }, ['MAC: sha256, Iteration 100000']],
    [{ type: 'legacy' }, ['MAC: sha1, Iteration 2048', 'pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048']],
    [{ type: 'legacy PKCS12 (.p12)' }, ['MAC: sha1, Iteration 2048']],
  ])('encrypts as %j says', async (input, expected) => {
    const found = structure(saved(folder, await exported({ ...input, passphrase: PASSPHRASE })));
    for (const line of expected) expect(found).toContain(line);
    expect(found).not.toMatch(/RC2|RC4/);
  });

  it('makes a passphrase when none is given, a new one each time', async () => {
    const [first, second] = [await exported({ type: 'legacy' }), await exported({ type: 'legacy' })];
    expect(first.passphrase).toMatch(/^[0-9a-f]{32}$/);
    expect(second.passphrase).not.toBe(first.passphrase);
    expect(first).toMatchObject({ extension: 'p12', files: [{ name: 'leaf-ec.p12', mode: 0o600 }] });
    expect(keyIn(info(saved(folder, first), first.passphrase ?? ''))).toBe(keyIn(bundle.privateKeyPem));
  });

  it.skipIf(!hasKeytool)('takes any alias, in lower case', async () => {
    const path = saved(folder, await exported({ alias: 'Ünser 🔑 Schlüssel', passphrase: PASSPHRASE }));
    expect(aliasesIn(listStore(path, PASSPHRASE))).toEqual(['ünser 🔑 schlüssel']);
  });

  it('keeps a self-signed certificate although it is its own root', async () => {
    const alone = { ...bundle, chainPem: bundle.chainPem.slice(2) };
    const path = saved(
      folder,
      await pkcs12Export.export(
        { stem: 'leaf', bundle: alone },
        { type: 'legacy', passphrase: PASSPHRASE },
        exportContext,
      ),
    );
    expect(certificatesIn(info(path, PASSPHRASE))).toEqual(alone.chainPem.flatMap(certificatesIn));
  });

  it('refuses a passphrase beyond ASCII and a certificate without a key', async () => {
    await expect(
      pkcs12Export.export({ bundle, stem: bundle.name }, { type: 'modern', passphrase: 'pässword1' }, exportContext),
    ).rejects.toMatchObject(MISCONFIGURED);
    await expect(
      pkcs12Export.export(
        { stem: 'leaf', bundle: { ...bundle, privateKeyPem: undefined } },
        { type: 'modern' },
        exportContext,
      ),
    ).rejects.toMatchObject(MISCONFIGURED);
  });

  it('declares what a form must know', () => {
    const { options } = pkcs12Export;
    expect(secretKeys(options)).toEqual(['passphrase']);
    expect(formOf(options)).toMatchObject({
      properties: {
        type: { default: 'modern' },
        passphrase: { minLength: 8, maxLength: 128 },
        alias: { title: 'Alias' },
      },
    });
    for (const passphrase of ['short12', 'pässword1']) expect(options.safeParse({ passphrase }).success).toBe(false);
    expect(options.safeParse({ type: 'RC2' }).success).toBe(false);
  });
});

describe('pkcs12-truststore', () => {
  it('holds every certificate, root included, and no key', async () => {
    const exported = await pkcs12TruststoreExport.export(
      { stem: 'leaf', bundle: bundles.rsa },
      { alias: 'Ours', passphrase: PASSPHRASE },
      exportContext,
    );
    expect(exported).toMatchObject({ extension: 'p12', passphrase: PASSPHRASE, files: [{ mode: 0o644 }] });
    const path = saved(folder, exported);
    const text = info(path, PASSPHRASE);
    expect(certificatesIn(text)).toEqual(bundles.rsa.chainPem.flatMap(certificatesIn));
    expect(text).not.toContain('PRIVATE KEY');
    expect(() => info(path, 'wrong horse')).toThrow();
  });

  it.skipIf(!hasKeytool)('is a store of trusted entries to Java', async () => {
    const keyless = { ...bundles.rsa, privateKeyPem: undefined };
    const exported = await pkcs12TruststoreExport.export({ stem: 'leaf', bundle: keyless }, {}, exportContext);
    const listed = listStore(saved(folder, exported), exported.passphrase ?? '');
    expect(aliasesIn(listed)).toEqual([
      'leaf.example.test_cert',
      'leaf.example.test_cert_1',
      'leaf.example.test_cert_2',
    ]);
    expect(listed.match(/Entry type: trustedCertEntry/g)).toHaveLength(3);
    expect(certificatesIn(listed).sort()).toEqual(keyless.chainPem.flatMap(certificatesIn).sort());
  });

  it('refuses a passphrase beyond ASCII', async () => {
    await expect(
      pkcs12TruststoreExport.export({ stem: 'leaf', bundle: bundles.ec }, { passphrase: 'pässword1' }, exportContext),
    ).rejects.toMatchObject(MISCONFIGURED);
  });
});
