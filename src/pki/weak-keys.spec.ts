import { checkPrimeSync, generateKeyPairSync, generatePrimeSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { runOn } from '../../test/support/x509.js';
import { rsaSpki } from '../../test/support/weak-rsa.js';
import { spkiHash, spkiOf } from './key.js';
import { keyWeakness, parseKeyList } from './weak-keys.js';

const prime = (bits: number): bigint => generatePrimeSync(bits, { bigint: true });

function nextPrime(from: bigint): bigint {
  let candidate = from + 2n;
  while (!checkPrimeSync(candidate)) candidate += 2n;
  return candidate;
}

/** A number of the form in which the defective library made primes of keys of 2048 bits (Nemec et al., 2017, §2.1). */
function rocaNumber(a: bigint, k: bigint): bigint {
  let primorial = 1n;
  for (let n = 2, left = 71; left > 0; n++) {
    if (!checkPrimeSync(BigInt(n))) continue;
    primorial *= BigInt(n);
    left -= 1;
  }
  let power = 1n;
  for (let i = 0n; i < a; i++) power = (power * 65_537n) % primorial;
  return k * primorial + power;
}

describe('keyWeakness', () => {
  it.each([2, 3, 251, 65_521, 65_537])('finds the small factor %i', (factor) => {
    expect(keyWeakness(rsaSpki(BigInt(factor) * prime(2040)))).toContain('small prime factor');
  });

  it('finds primes that are equal or close together (Fermat)', () => {
    const p = prime(1024);
    expect(keyWeakness(rsaSpki(p * nextPrime(p)))).toContain('Fermat');
    expect(keyWeakness(rsaSpki(p * p))).toContain('Fermat');
    // The distance d takes about d² / 8√n rounds.
    const gap = nextPrime(p + (1n << 516n));
    expect(keyWeakness(rsaSpki(p * gap))).toContain('Fermat');
    expect(keyWeakness(rsaSpki(p * nextPrime(p + (1n << 530n))))).toBeNull();
  });

  it('finds keys of the ROCA library', () => {
    expect(keyWeakness(rsaSpki(rocaNumber(12_345n, 3n << 50n) * rocaNumber(54_321n, 7n << 50n)))).toContain('ROCA');
  });

  it('finds keys of a list, by SHA-256 or in the form of openssl-blacklist', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
    const debian = runOn(
      { k: rsa.export({ format: 'pem', type: 'pkcs8' }) },
      'sh',
      '-c',
      "openssl rsa -noout -modulus -in k | sha1sum | cut -d ' ' -f 1 | cut -c 21-40",
    );
    const list = parseKeyList(`# a comment\n\n${debian}${spkiHash(spkiOf(ec)).toUpperCase()}\r\n`);
    expect(list.size).toBe(2);
    for (const key of [rsa, ec]) {
      expect(keyWeakness(spkiOf(key), { listed: list, blocklist: null })).toContain('list of known bad keys');
      expect(keyWeakness(spkiOf(key))).toBeNull();
    }
    expect(() => parseKeyList('# ok\nMII')).toThrow('line 2');
  });

  it('reports no key that is generated today', () => {
    for (const modulusLength of [2048, 3072, 4096])
      expect(keyWeakness(spkiOf(generateKeyPairSync('rsa', { modulusLength }).privateKey))).toBeNull();
    for (const type of ['ed25519', 'ed448', 'x25519'])
      expect(keyWeakness(spkiOf(generateKeyPairSync(type as 'ed25519').privateKey))).toBeNull();
    expect(keyWeakness(spkiOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey))).toBeNull();
  });

  it('takes milliseconds for a key of 4096 bits', () => {
    const spkiDer = spkiOf(generateKeyPairSync('rsa', { modulusLength: 4096 }).privateKey);
    keyWeakness(spkiDer);
    // Of the processor: how long others keep it does not count.
    const begin = process.cpuUsage();
    for (let i = 0; i < 10; i++) keyWeakness(spkiDer);
    expect(process.cpuUsage(begin).user / 10).toBeLessThan(100_000);
  });
});
