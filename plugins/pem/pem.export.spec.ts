import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { secretKeys } from '../../src/plugin-api/options.js';
import {
  certificatesIn,
  exportContext,
  KEY_TYPES,
  KeyType,
  keyIn,
  makeBundle,
  openssl,
  saved,
} from '../../test/support/keystores.js';
import { pemBundleExport } from './pem-bundle.export.js';
import { pemExport } from './pem.export.js';

const PASSPHRASE = 'correct horse battery';
const folder = mkdtempSync(join(tmpdir(), 'pem-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('pem', () => {
  const bundle = makeBundle(folder, 'ec');

  it.each([
    [{}, bundle.chainPem],
    [{ content: 'fullchain' }, bundle.chainPem],
    [{ content: 'certificate' }, bundle.chainPem.slice(0, 1)],
    [{ content: 'chain' }, bundle.chainPem.slice(1)],
  ])('writes what %j asks for, leaf first, and never the key', async (input, expected) => {
    const exported = await pemExport.export(
      { bundle, stem: bundle.name },
      pemExport.options.parse(input),
      exportContext,
    );
    const text = exported.files[0]?.bytes.toString() ?? '';
    expect(certificatesIn(text)).toEqual(expected.flatMap(certificatesIn));
    expect(text).not.toContain('PRIVATE KEY');
    expect(exported).toMatchObject({ extension: 'pem', files: [{ name: 'leaf-ec.pem', mode: 0o644 }] });
    expect(exported.passphrase).toBeUndefined();
  });

  it('puts certificates that arrive without a final line break on lines of their own', async () => {
    const trimmed = { ...bundle, chainPem: bundle.chainPem.map((pem) => pem.trim()) };
    const exported = await pemExport.export({ stem: 'leaf', bundle: trimmed }, { content: 'fullchain' }, exportContext);
    expect(exported.files[0]?.bytes.toString()).toBe(bundle.chainPem.join(''));
  });

  it('has no chain to give when there is none', async () => {
    const alone = { ...bundle, chainPem: bundle.chainPem.slice(0, 1) };
    await expect(
      pemExport.export({ stem: 'leaf', bundle: alone }, { content: 'chain' }, exportContext),
    ).rejects.toMatchObject({
      fault: 'misconfigured',
    });
  });
});

describe('pem-bundle', () => {
  it.each(Object.keys(KEY_TYPES) as KeyType[])(
    'holds a plain %s key before or after the full chain',
    async (keyType) => {
      const bundle = makeBundle(folder, keyType);
      for (const order of ['key-first', 'key-last'] as const) {
        const exported = await pemBundleExport.export({ bundle, stem: bundle.name }, { order }, exportContext);
        const text = exported.files[0]?.bytes.toString() ?? '';
        expect(certificatesIn(text)).toEqual(bundle.chainPem.flatMap(certificatesIn));
        expect(keyIn(text)).toBe(keyIn(bundle.privateKeyPem));
        expect(text.startsWith('-----BEGIN PRIVATE KEY-----')).toBe(order === 'key-first');
        expect(text.endsWith('-----END PRIVATE KEY-----\n')).toBe(order === 'key-last');
        expect(exported).toMatchObject({ extension: 'pem', files: [{ mode: 0o600 }] });
      }
    },
  );

  it('encrypts the key so that openssl opens it with the passphrase only', async () => {
    const bundle = makeBundle(folder, 'rsa');
    const exported = await pemBundleExport.export(
      { stem: 'leaf', bundle },
      pemBundleExport.options.parse({ passphrase: PASSPHRASE }),
      exportContext,
    );
    const path = saved(folder, exported);
    expect(exported.passphrase).toBe(PASSPHRASE);
    expect(exported.files[0]?.bytes.toString()).not.toContain('BEGIN PRIVATE KEY');
    expect(keyIn(openssl(['pkey', '-in', path, '-passin', 'env:PASS'], PASSPHRASE))).toBe(keyIn(bundle.privateKeyPem));
    expect(() => openssl(['pkey', '-in', path, '-passin', 'env:PASS'], 'wrong horse')).toThrow();
    const structure = openssl(['asn1parse', '-in', path]);
    expect(structure).toMatch(/PBES2[^]*PBKDF2[^]*INTEGER +:0927C0[^]*hmacWithSHA256[^]*aes-256-cbc/);
  });

  it('refuses a passphrase beyond ASCII and a certificate without a key', async () => {
    const bundle = makeBundle(folder, 'ec');
    const misconfigured = { name: 'PluginError', fault: 'misconfigured' };
    await expect(
      pemBundleExport.export(
        { bundle, stem: bundle.name },
        { order: 'key-first', passphrase: 'pässword1' },
        exportContext,
      ),
    ).rejects.toMatchObject(misconfigured);
    await expect(
      pemBundleExport.export(
        { stem: 'leaf', bundle: { ...bundle, privateKeyPem: undefined } },
        { order: 'key-first' },
        exportContext,
      ),
    ).rejects.toMatchObject(misconfigured);
    expect(pemBundleExport.options.safeParse({ passphrase: 'pässword1' }).success).toBe(false);
    expect(pemBundleExport.options.safeParse({ passphrase: 'short12' }).success).toBe(false);
    expect(secretKeys(pemBundleExport.options)).toEqual(['passphrase']);
  });
});
