import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openssl, startTestAuthority } from '../../../test/support/bundles.js';
import type { NamedFile } from '../../pki/certificate-file.js';
import { matchFiles } from './matched-files.js';

const authority = startTestAuthority();
const folder = mkdtempSync(join(tmpdir(), 'matched-files-'));
afterAll(() => {
  authority.close();
  rmSync(folder, { recursive: true });
});

/** A passphrase that does not open it costs 1000 iterations, the right one 3000. */
function pkcs12(name: string, passphrase: string): NamedFile {
  const [pem, path] = [join(folder, `${name}.pem`), join(folder, `${name}.p12`)];
  const { chainPem, privateKeyPem } = authority.issue(name);
  writeFileSync(pem, [...chainPem, privateKeyPem].join(''));
  openssl(['pkcs12', '-export', '-in', pem, '-out', path, '-iter', '1000', '-passout', `pass:${passphrase}`]);
  return { path: `${name}.p12`, bytes: readFileSync(path) };
}

it('asks after each file whether so many different certificates may be matched, and stops when not', async () => {
  const files = ['a.test', 'b.test', 'c.test'].map((name) => ({
    path: `${name}.pem`,
    bytes: Buffer.from(authority.issue(name).chainPem.join('')),
  }));
  const counts: number[] = [];
  const demandFew = (count: number): void => {
    counts.push(count);
    if (count > 2) throw new Error('too many');
  };
  await expect(matchFiles(files, [], { demandFew })).rejects.toThrow('too many');
  // The issuer counts once.
  expect(counts).toEqual([2, 3]);
});

it.each(['the right one', ''])('tries the passphrase that opened a file (%j) first on the next', async (passphrase) => {
  const files = ['a.test', 'b.test', 'c.test'].map((name) => pkcs12(name, passphrase));
  const effort = { left: 3 * 1000 + 3 * 3000 };
  const passphrases = ['one', 'another', 'a third', ...(passphrase && [passphrase])];
  const { certificates, faults } = await matchFiles(files, passphrases, { effort });
  expect([certificates.length, faults, effort.left]).toEqual([3, [], 0]);
});

it('says of a file that it is too much in all, not that the first passphrase does not open it', async () => {
  const file = pkcs12('a.test', 'the right one');
  const { faults } = await matchFiles([file], ['one', 'the right one'], { effort: { left: 1500 } });
  expect(faults).toEqual([
    { path: 'a.test.p12', fault: 'It cannot be read: The PKCS#12 file asks for too many iterations in all' },
  ]);
});
