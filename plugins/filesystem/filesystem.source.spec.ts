import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeJks } from '../../src/pki/jks.js';
import { keyEntry, trustEntries } from '../../src/pki/keystore.js';
import type { Found, FoundCertificate } from '../../src/plugin-api/source.js';
import { openssl, pluginContext, scanned, startTestAuthority, type TestAuthority } from '../../test/support/bundles.js';
import { hasKeytool, keytool } from '../../test/support/keystores.js';
import { delivery } from '../../test/support/exported.js';
import { execFileSync } from '../../test/support/sync-programs.js';
import { filesystem } from './filesystem.destination.js';
import { filesystemSource } from './filesystem.source.js';

let authority: TestAuthority;
let base: string;
let root: string;
const context = pluginContext({ protectedPaths: [] });
const at = (...names: string[]): string => join(root, ...names);
const scan = (values: object = {}, ctx = context): Promise<Found[]> =>
  scanned(filesystemSource, filesystemSource.options.parse({ path: root, ...values }), ctx);
const certificates = (found: readonly Found[]): FoundCertificate[] => found.filter((one) => one.kind === 'certificate');
const locations = (found: readonly Found[]): string[] =>
  certificates(found).map(({ location }) => location.replace(`${root}/`, ''));
const troubles = (found: readonly Found[]): string[] =>
  found.filter((one) => one.kind === 'trouble').map(({ location }) => location.replace(root, ''));

beforeAll(() => {
  authority = startTestAuthority();
});
afterAll(() => authority.close());
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'source-'));
  root = join(base, 'root');
  mkdirSync(root);
  return () => rmSync(base, { recursive: true, force: true });
});

describe('the source of folders', () => {
  it('finds PEM and DER, several in a file, text around them, and the issuers in another file', async () => {
    const [a, b, c] = ['a.test', 'b.test', 'c.test'].map((name) => authority.issue(name)) as [
      ReturnType<TestAuthority['issue']>,
      ReturnType<TestAuthority['issue']>,
      ReturnType<TestAuthority['issue']>,
    ];
    mkdirSync(at('deep', 'er'), { recursive: true });
    writeFileSync(
      at('two.pem'),
      `Subject: text\r\n${a.chainPem[0]?.replaceAll('\n', '\r\n')}${b.chainPem[0]}${a.privateKeyPem}`,
    );
    writeFileSync(at('chain.crt'), a.chainPem[1] as string);
    openssl(['x509', '-outform', 'DER', '-out', at('deep', 'er', 'c.DER')], c.chainPem[0]);
    writeFileSync(at('notes.txt'), b.chainPem[0] as string);
    const found = await scan();
    expect(locations(found)).toEqual(['two.pem', 'two.pem#2', 'deep/er/c.DER']);
    expect(certificates(found).map(({ chainPem }) => chainPem)).toEqual([
      a.chainPem,
      b.chainPem,
      c.chainPem.slice(0, 1),
    ]);
    expect(troubles(found)).toEqual([]);
    expect(JSON.stringify(found)).not.toContain('PRIVATE');
  });

  it('takes keys only if enabled, and only matching ones', async () => {
    const { chainPem, privateKeyPem } = authority.issue('a.test');
    writeFileSync(at('a.pem'), chainPem.join(''));
    writeFileSync(at('a.key'), authority.issue('other.test').privateKeyPem + privateKeyPem);
    expect(certificates(await scan())[0]).not.toHaveProperty('privateKeyPem');
    expect(certificates(await scan({ readKeys: true }))[0]?.privateKeyPem?.trim()).toBe(privateKeyPem.trim());
  });

  it('opens PKCS#12 files with one of its passphrases, and names those that none opens', async () => {
    const [a, b, c] = [authority.issue('a.test'), authority.issue('b.test'), authority.issue('c.test')];
    const pfx = (file: string, { chainPem, privateKeyPem }: typeof a, ...args: string[]): void => {
      writeFileSync(join(base, 'in.pem'), chainPem.join('') + privateKeyPem);
      openssl(['pkcs12', '-export', '-in', join(base, 'in.pem'), '-out', at(file), ...args]);
    };
    pfx('a.p12', a, '-passout', 'pass:second one');
    pfx('b.PFX', b, '-passout', 'pass:');
    pfx('c.p12', c, '-passout', 'pass:unknown');
    const passphrases = 'first\r\nsecond one\n';
    const found = await scan({ passphrases });
    expect(certificates(found).map(({ chainPem }) => chainPem)).toEqual([a.chainPem, b.chainPem]);
    expect(certificates(found).some((one) => 'privateKeyPem' in one)).toBe(false);
    expect(troubles(found)).toEqual(['/c.p12']);
    const withKeys = certificates(await scan({ passphrases, readKeys: true }));
    expect(withKeys.map(({ privateKeyPem }) => privateKeyPem)).toEqual([a.privateKeyPem, b.privateKeyPem]);
  });

  it('reads certificates of Java key stores without a passphrase, and their keys with one', async () => {
    const [a, b] = [authority.issue('a.test'), authority.issue('b.test')];
    const entries = [keyEntry('a', a.chainPem, a.privateKeyPem), ...trustEntries('b', { chainPem: b.chainPem })];
    writeFileSync(at('store.jks'), writeJks(entries, 'changeit', new Date(0)));
    writeFileSync(at('cut.jks'), writeJks(entries, 'changeit', new Date(0)).subarray(0, 900));
    const found = await scan({ readKeys: true });
    expect(certificates(found).map(({ chainPem }) => chainPem)).toEqual([a.chainPem, b.chainPem]);
    expect(certificates(found).some((one) => 'privateKeyPem' in one)).toBe(false);
    expect(troubles(found)).toEqual(['/cut.jks']);
    const [withKey] = certificates(await scan({ readKeys: true, passphrases: 'other\nchangeit' }));
    expect(withKey?.privateKeyPem).toBe(a.privateKeyPem);
  });

  it.skipIf(!hasKeytool).each(['JKS', 'JCEKS', 'PKCS12'])('reads what keytool wrote as %s', async (type) => {
    const store = [
      '-storetype',
      type,
      '-keystore',
      at('store.keystore'),
      '-storepass:env',
      'PASS',
      '-keypass:env',
      'PASS',
    ];
    keytool(['-genkeypair', '-alias', 'one', '-dname', 'CN=java.test', '-keyalg', 'EC', ...store], 'changeit');
    const [found] = certificates(await scan({ readKeys: true, passphrases: 'changeit' }));
    expect(new X509Certificate(found?.chainPem[0] ?? '').subject).toBe('CN=java.test');
    // The protection of keys in JCEKS is not read.
    expect(found?.privateKeyPem !== undefined).toBe(type !== 'JCEKS');
  });

  it.each(['DER', 'PEM'])('reads PKCS#7 files in %s', async (form) => {
    const { chainPem } = authority.issue('a.test');
    writeFileSync(join(base, 'in.pem'), chainPem.join(''));
    openssl(['crl2pkcs7', '-nocrl', '-certfile', join(base, 'in.pem'), '-outform', form, '-out', at('a.p7b')]);
    expect(certificates(await scan()).map((one) => one.chainPem)).toEqual([chainPem]);
    writeFileSync(at('b.p7b'), '-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----\n');
    expect(troubles(await scan())).toEqual(['/b.p7b']);
  });

  it('takes CA certificates only if enabled, or if they name a host', async () => {
    writeFileSync(at('ca.pem'), authority.rootPem);
    openssl([
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      at('self.key'),
      '-out',
      at('self.pem'),
      '-subj',
      '/CN=self.test',
      '-addext',
      'subjectAltName=DNS:self.test',
    ]);
    expect(locations(await scan())).toEqual(['self.pem']);
    expect(locations(await scan({ authorities: true }))).toEqual(['ca.pem', 'self.pem']);
  });

  it('names files that it cannot read, and continues', async () => {
    const { chainPem } = authority.issue('a.test');
    const [leaf = ''] = chainPem;
    writeFileSync(at('broken.pem'), leaf.replace('MII', 'MIJ') + leaf);
    writeFileSync(at('empty.pem'), '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n');
    writeFileSync(at('cut.pem'), leaf.slice(0, 200));
    writeFileSync(at('junk.der'), 'no certificate');
    writeFileSync(at('key.pem'), authority.issue('b.test').privateKeyPem);
    writeFileSync(at('large.crt'), Buffer.alloc(1_048_577));
    execFileSync('mkfifo', [at('pipe.pem')]);
    const found = await scan();
    expect(locations(found)).toEqual(['broken.pem']);
    expect(troubles(found).sort()).toEqual(['/broken.pem', '/cut.pem', '/empty.pem', '/junk.der', '/large.crt']);
  });

  it('never leaves the folder, and never reads a folder of the program', async () => {
    writeFileSync(join(base, 'outside.pem'), authority.issue('a.test').chainPem[0] as string);
    writeFileSync(at('real.pem'), authority.issue('b.test').chainPem[0] as string);
    symlinkSync(join(base, 'outside.pem'), at('out.pem'));
    symlinkSync(at('real.pem'), at('link.pem'));
    symlinkSync(base, at('up'));
    symlinkSync(at('gone'), at('dangling.pem'));
    const found = await scan();
    expect([locations(found), troubles(found)]).toEqual([['link.pem', 'real.pem'], ['/out.pem']]);
    await expect(scan({}, pluginContext({ protectedPaths: [at('own')] }))).rejects.toThrow('reserved');
    await expect(scan({ path: '/proc' })).rejects.toThrow('in a pseudo file system');
  });

  it('fails as a whole when the folder itself cannot be read', async () => {
    await expect(scan({ path: join(base, 'missing') })).rejects.toMatchObject({
      name: 'PluginError',
      fault: 'unavailable',
    });
    await expect(
      filesystemSource.check?.(filesystemSource.options.parse({ path: join(base, 'missing') }), context),
    ).rejects.toMatchObject({ fault: 'unavailable' });
    expect(await scan()).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('says which folder below it cannot be read', async () => {
    mkdirSync(at('shut'));
    chmodSync(at('shut'), 0);
    expect(troubles(await scan())).toEqual(['/shut/']);
    chmodSync(at('shut'), 0o700);
  });

  it('finds each file of the destination once, and not its previous version', async () => {
    const [old, fresh] = [authority.issue('a.test'), authority.issue('a.test')];
    const options = filesystem.options.parse({ path: root });
    for (const bundle of [old, fresh]) await filesystem.deliver(await delivery(bundle), options, context);
    const found = await scan();
    expect(locations(found)).toEqual(['a.test/cert.pem', 'a.test/fullchain.pem']);
    expect(certificates(found).every(({ chainPem }) => chainPem.join() === fresh.chainPem.join())).toBe(true);
  });
});
