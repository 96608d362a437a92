import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { blocklistHolds, readBlocklist } from './key-blocklist.js';
import { spkiOf } from './key.js';
import { keyWeakness } from './weak-keys.js';

/** Public keys of the tests of badkeys 0.0.21 (MIT), and what its code (allkeys/block.py) makes of them. */
const known: [string, string, string][] = [
  [
    'RSA of the Debian random number bug (CVE-2008-0166)',
    'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwJZTDExKND/DiP+LbhTIi2F0hZZt0PdX897LLwPf3+b1GOCUj1OHBZvVqhJPJtOPE53W' +
      '68I0NgVhaJdY6bFOA/cUUIFnN0y/ZOJOJsPNle1aXQTjxAS+FXu4CQ6a2pzcU+9+gGwed7XxAkIVCiTprfmRCI2vIKdb61S8kf5D3YdVRH/T' +
      'q977nxyYeosEGYJFBOIT+N0mqca37S8hA9hCJyD3p0AM40dD5M5ARAxpAT7+oqOXkPzfzLtCTaHYJK3+WAce121Br4NuQJPqYPVxniUPohT4' +
      'YxFTqB7vwX2C4/gZ2ldpHtlgJVAHT96nOsnlz+EPa5GtwxtALD43CwOlWQIDAQAB',
    '31c152529eb033a010f8c272fd8d42',
  ],
  [
    'P-256 of RFC 8946',
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmzGM1VsO+3IqbMF54rQMaYKQftO4hUYm9wv5wutLgEd9FsiTy3+4+Wa2O7pffOXPC0QzO+yD8hGE' +
      'XGP/2mZo6w==',
    'f9109dc651a11992575b3ec496aded',
  ],
  [
    'Ed25519 of RFC 8410',
    'MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=',
    'e744c0791320c3285460eddb523f14',
  ],
];
const entry = (hex: string): Buffer => Buffer.from(`${hex}07`, 'hex');
/** With entries around those of the known keys, in order. */
const file = Buffer.concat(
  [...known.map(([, , hex]) => hex), ...['00', '40', '80', 'f0', 'ff'].map((octet) => octet.repeat(15))]
    .sort()
    .map(entry),
);

describe('the blocklist of badkeys', () => {
  it.each(known)('holds %s', (_, spki) => {
    const spkiDer = Buffer.from(spki, 'base64');
    expect(blocklistHolds(readBlocklist(file), spkiDer)).toBe(true);
    const blocklist = readBlocklist(file);
    expect(keyWeakness(spkiDer, { listed: new Set(), blocklist })).toContain('blocklist of badkeys');
    expect(keyWeakness(spkiDer)).toBeNull();
  });

  it('contains a key with a compressed point', () => {
    const plain = Buffer.from(known[1]?.[1] ?? '', 'base64');
    const point = Buffer.concat([Buffer.from([2 + ((plain.at(-1) ?? 0) & 1)]), plain.subarray(27, 59)]);
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      point,
    ]);
    expect(createPublicKey({ key: compressed, format: 'der', type: 'spki' }).asymmetricKeyType).toBe('ec');
    expect(blocklistHolds(readBlocklist(file), compressed)).toBe(true);
  });

  it('contains no other key', () => {
    for (const type of ['ed25519', 'x25519', 'ed448'])
      expect(blocklistHolds(readBlocklist(file), spkiOf(generateKeyPairSync(type as 'ed25519').publicKey))).toBe(false);
    for (const modulusLength of [2048, 3072])
      expect(blocklistHolds(readBlocklist(file), spkiOf(generateKeyPairSync('rsa', { modulusLength }).publicKey))).toBe(
        false,
      );
  });

  it('is refused when it is truncated, empty, or another file', () => {
    expect(() => readBlocklist(file.subarray(0, -1))).toThrow('multiple of 16');
    expect(() => readBlocklist(Buffer.alloc(0))).toThrow('multiple of 16');
    expect(() => readBlocklist(Buffer.from('-----BEGIN PUBLIC KEY-----\nMFkw='.repeat(16)))).toThrow('not in order');
  });
});
