import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { execFileSync } from '../../test/support/sync-programs.js';
import { mutationsOf } from '../../test/support/x509.js';
import { parseCertificate } from './certificate.js';
import { publicMatches } from './key.js';
import { PkiError } from './pki-error.js';
import { openPkcs12, readPkcs12 } from './pkcs12-reader.js';

const folder = mkdtempSync(join(tmpdir(), 'pkcs12-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const run = (program: string, ...args: string[]): Buffer => execFileSync(program, args, { cwd: folder, stdio: 'pipe' });

run(
  'openssl',
  'req',
  '-x509',
  '-newkey',
  'ec',
  '-pkeyopt',
  'ec_paramgen_curve:P-256',
  '-nodes',
  '-subj',
  '/CN=CA',
  '-days',
  '9',
  '-keyout',
  'key.pem',
  '-out',
  'ca.pem',
);

function byOpenssl(...options: string[]): Buffer {
  run('openssl', 'pkcs12', '-export', '-inkey', 'key.pem', '-in', 'ca.pem', '-out', 'made.p12', ...options);
  return readFileSync(at('made.p12'));
}

describe('readPkcs12', () => {
  it.each([
    ['by default', []],
    ['with AES-128', ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-128-CBC']],
    ['with 3DES and SHA-1', ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
    ['with plain certificates', ['-certpbe', 'NONE']],
    ['with a plain key', ['-keypbe', 'NONE']],
    ['without a MAC', ['-nomac']],
  ])('opens what openssl wrote %s', async (_, options) => {
    const { privateKey, certificatesPem } = await readPkcs12(byOpenssl(...options, '-passout', 'pass:päss'), 'päss');
    const [certificate, ...others] = certificatesPem.map((pem) => parseCertificate(pem));
    expect([certificate?.subject, others]).toEqual(['CN=CA', []]);
    expect(publicMatches(privateKey, certificate?.spkiDer ?? Buffer.alloc(0))).toBe(true);
  });

  it('takes the iterations of the MAC and of every part from one effort, also over several files', async () => {
    const file = byOpenssl('-iter', '1000', '-passout', 'pass:secret');
    const effort = { left: 7000 };
    await openPkcs12(file, 'secret', effort);
    expect(effort.left).toBe(4000);
    await openPkcs12(file, 'secret', effort);
    await expect(openPkcs12(file, 'secret', effort)).rejects.toThrow('too many iterations in all');
  });

  it('opens what keytool wrote', async () => {
    run(
      'keytool',
      '-genkeypair',
      '-alias',
      'ca',
      '-keyalg',
      'RSA',
      '-dname',
      'CN=Java',
      '-storetype',
      'PKCS12',
      '-keystore',
      'java.p12',
      '-storepass',
      'changeit',
    );
    const { certificatesPem } = await readPkcs12(readFileSync(at('java.p12')), 'changeit');
    expect(certificatesPem.map((pem) => parseCertificate(pem).subject)).toEqual(['CN=Java']);
  });

  it('refuses a wrong passphrase, whether or not the file has a MAC', async () => {
    for (const options of [[], ['-nomac']])
      await expect(readPkcs12(byOpenssl(...options, '-passout', 'pass:right'), 'wrong')).rejects.toThrow(
        /passphrase does not open/,
      );
  });

  it('refuses files without a key', async () => {
    await expect(readPkcs12(byOpenssl('-nokeys', '-passout', 'pass:x'), 'x')).rejects.toThrow('0 private keys');
  });

  it('throws nothing but PkiError for damaged files', async () => {
    const good = byOpenssl('-iter', '1', '-macalg', 'sha1', '-passout', 'pass:x');
    await fc.assert(
      fc.asyncProperty(mutationsOf(good), async (bytes) => {
        const opened = await readPkcs12(bytes, 'x').catch((error: unknown) => error);
        return opened instanceof PkiError || (typeof opened === 'object' && opened !== null && 'privateKey' in opened);
      }),
      { numRuns: 300 },
    );
  });
});
