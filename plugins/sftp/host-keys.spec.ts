import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execFileSync } from '../../test/support/sync-programs.js';
import { algorithmsFor, areHostKeys, fingerprintOf, isKnownKey } from './host-keys.js';

const folder = mkdtempSync(join(tmpdir(), 'host-keys-'));
const at = (name: string): string => join(folder, name);
const web = { host: 'web1.example.com', port: 22 };
const keygen = (...args: string[]): string => execFileSync('ssh-keygen', args, { encoding: 'utf8', stdio: 'pipe' });
const publicKey = (type: string): string => readFileSync(at(`${type}.pub`), 'utf8').trim();
const octets = (type: string): Buffer => Buffer.from(publicKey(type).split(' ')[1] ?? '', 'base64');
beforeAll(() => {
  for (const type of ['ed25519', 'ecdsa', 'rsa'])
    keygen('-q', '-t', type, '-N', '', '-C', 'a comment', '-f', at(type), ...(type === 'rsa' ? ['-b', '2048'] : []));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('host keys', () => {
  it('have the fingerprint that ssh-keygen shows', () => {
    for (const type of ['ed25519', 'ecdsa', 'rsa'])
      expect(fingerprintOf(octets(type))).toBe(keygen('-l', '-f', at(`${type}.pub`)).split(' ')[1]);
  });

  it('are known by a fingerprint, a public key or a line of known_hosts', () => {
    const forms = [
      fingerprintOf(octets('ed25519')),
      publicKey('ed25519'),
      `web1.example.com ${publicKey('ed25519')}`,
      `10.0.0.1,web1.example.com ${publicKey('ed25519')}`,
      `WEB1.example.com ${publicKey('ed25519')}`,
      `*.example.com,!db?.example.com ${publicKey('ed25519')}`,
    ];
    for (const text of forms) {
      expect(areHostKeys(`# a comment\n\n${text}\r\n`)).toBe(true);
      expect(isKnownKey(text, web, octets('ed25519'))).toBe(true);
      expect(isKnownKey(text, web, octets('ecdsa'))).toBe(false);
    }
  });

  it('of another server are not known', () => {
    const lines = [
      'web2.example.com',
      'web1xexample.com',
      '*.example.com,!web1.example.com',
      '[web1.example.com]:2222',
    ];
    for (const hosts of lines)
      expect(isKnownKey(`${hosts} ${publicKey('ed25519')}`, web, octets('ed25519'))).toBe(false);
    const other = `[web1.example.com]:2222 ${publicKey('ed25519')}`;
    expect(isKnownKey(other, { ...web, port: 2222 }, octets('ed25519'))).toBe(true);
  });

  it('are known by a name that ssh-keygen has hashed', () => {
    writeFileSync(at('known_hosts'), `web1.example.com ${publicKey('rsa')}\n`);
    keygen('-H', '-f', at('known_hosts'));
    const text = readFileSync(at('known_hosts'), 'utf8');
    expect(text).toMatch(/^\|1\|/);
    expect(areHostKeys(text)).toBe(true);
    expect(isKnownKey(text, web, octets('rsa'))).toBe(true);
    expect(isKnownKey(text, { ...web, host: 'web2.example.com' }, octets('rsa'))).toBe(false);
  });

  it('decide which key the server is asked to show', () => {
    expect(algorithmsFor(`${publicKey('ecdsa')}\nother.example.com ${publicKey('ed25519')}`, web)).toEqual([
      'ecdsa-sha2-nistp256',
    ]);
    expect(algorithmsFor(publicKey('rsa'), web)).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
    expect(algorithmsFor(fingerprintOf(octets('ecdsa')), web)).toContain('ssh-ed25519');
  });

  it.each([
    ['nothing', ''],
    ['a comment alone', '# none'],
    ['the start of a fingerprint', 'SHA256:abc'],
    ['an MD5 fingerprint', `MD5:${Array(16).fill('ab').join(':')}`],
    ['a CA of host keys', '@cert-authority *.example.com ssh-ed25519 AAAA'],
    ['a key whose type is another', 'ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJ'],
    ['a good line beside a bad one', `SHA256:${'a'.repeat(43)}\nweb1.example.com`],
  ])('cannot be %s', (_, text) => {
    expect(areHostKeys(text)).toBe(false);
  });
});
