import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { secretKeys } from '../../src/plugin-api/options.js';
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
  saved,
} from '../../test/support/keystores.js';
import { javaKeystoreExport } from './java-keystore.export.js';
import { javaTruststoreExport } from './java-truststore.export.js';

const PASSPHRASE = 'correct "horse" $battery';
const MISCONFIGURED = { name: 'PluginError', fault: 'misconfigured' };
const folder = mkdtempSync(join(tmpdir(), 'jks-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(!hasKeytool).each(Object.keys(KEY_TYPES) as KeyType[])('java-keystore with an %s key', (keyType) => {
  it('opens in Java with key, chain and time, and with no other password', async () => {
    const bundle = makeBundle(folder, keyType);
    const options = javaKeystoreExport.options.parse({ type: 'Java Key Store (JKS)', passphrase: PASSPHRASE });
    const path = saved(folder, await javaKeystoreExport.export({ bundle, stem: bundle.name }, options, exportContext));
    const listed = listStore(path, PASSPHRASE);
    expect(listed).toContain('Keystore type: JKS');
    expect(aliasesIn(listed)).toEqual(['leaf.example.test']);
    expect(listed).toContain('Creation date: Mar 4, 2026');
    expect(listed).toContain('Entry type: PrivateKeyEntry');
    expect(certificatesIn(listed)).toEqual(bundle.chainPem.slice(0, 2).flatMap(certificatesIn));
    expect(keyByJava(path, PASSPHRASE)).toBe(keyIn(bundle.privateKeyPem));
    expect(() => listStore(path, 'wrong horse')).toThrow();
  });
});

describe('java-keystore', () => {
  const bundle = makeBundle(folder, 'ec');

  it.skipIf(!hasKeytool)('generates a passphrase when none is given, and lower-cases the alias', async () => {
    const exported = await javaKeystoreExport.export(
      { bundle, stem: bundle.name },
      { alias: 'Ünser 🔑 Schlüssel' },
      exportContext,
    );
    expect(exported).toMatchObject({ extension: 'jks', files: [{ name: 'leaf-ec.jks', mode: 0o600 }] });
    const path = saved(folder, exported);
    expect(aliasesIn(listStore(path, exported.passphrase ?? ''))).toEqual(['ünser 🔑 schlüssel']);
    expect(keyByJava(path, exported.passphrase ?? '')).toBe(keyIn(bundle.privateKeyPem));
  });

  it('refuses a passphrase beyond ASCII and a certificate without a key', async () => {
    await expect(
      javaKeystoreExport.export({ bundle, stem: bundle.name }, { passphrase: 'pässword1' }, exportContext),
    ).rejects.toMatchObject(MISCONFIGURED);
    await expect(
      javaKeystoreExport.export({ stem: 'leaf', bundle: { ...bundle, privateKeyPem: undefined } }, {}, exportContext),
    ).rejects.toMatchObject(MISCONFIGURED);
  });

  it('takes a passphrase of six characters, as keytool does, and keeps it secret', () => {
    const { options } = javaKeystoreExport;
    expect(options.safeParse({ passphrase: 'six456' }).success).toBe(true);
    for (const input of [{ passphrase: 'five5' }, { passphrase: 'pässword1' }, { type: 'JCEKS' }])
      expect(options.safeParse(input).success).toBe(false);
    expect(secretKeys(options)).toEqual(['passphrase']);
  });
});

describe('java-truststore', () => {
  const keyless = { ...makeBundle(folder, 'rsa'), privateKeyPem: undefined };

  it.skipIf(!hasKeytool)('contains every certificate as a trusted entry, root included', async () => {
    const exported = await javaTruststoreExport.export(
      { stem: 'leaf', bundle: keyless },
      { alias: 'Ours', passphrase: PASSPHRASE },
      exportContext,
    );
    expect(exported).toMatchObject({ extension: 'jks', passphrase: PASSPHRASE, files: [{ mode: 0o644 }] });
    const path = saved(folder, exported);
    const listed = listStore(path, PASSPHRASE);
    expect(aliasesIn(listed)).toEqual(['ours_cert', 'ours_cert_1', 'ours_cert_2']);
    expect(listed.match(/Entry type: trustedCertEntry/g)).toHaveLength(3);
    expect(certificatesIn(listed).sort()).toEqual(keyless.chainPem.flatMap(certificatesIn).sort());
    expect(() => listStore(path, 'wrong horse')).toThrow();
  });

  it('names entries after the common name, generates a passphrase, and refuses one beyond ASCII', async () => {
    const exported = await javaTruststoreExport.export({ stem: 'leaf', bundle: keyless }, {}, exportContext);
    expect(exported.passphrase).toMatch(/^[0-9a-f]{32}$/);
    expect(exported.files[0]?.bytes.toString('latin1')).toContain('leaf.example.test_cert_2');
    await expect(
      javaTruststoreExport.export({ stem: 'leaf', bundle: keyless }, { passphrase: 'pässword1' }, exportContext),
    ).rejects.toMatchObject(MISCONFIGURED);
  });
});
