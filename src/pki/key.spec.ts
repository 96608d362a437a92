import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  ECDH,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { realWorld } from '../../test/support/odd-certificates.js';
import { mutationsOf, runOn } from '../../test/support/x509.js';
import { parseCertificate } from './certificate.js';
import * as der from './der/writer.js';
import {
  generatePrivateKey,
  generationOf,
  isSameKey,
  KEY_TYPES,
  keyIdentifierOf,
  keyTypeOf,
  parsePrivateKey,
  publicMatches,
  resolveKeyType,
  spkiHash,
  spkiOf,
  strongKeyOf,
} from './key.js';
import { toPem } from './pem.js';

const code = (work: () => unknown): unknown => {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

const rsaSpki = (modulus: Buffer, exponent: number | bigint): Buffer =>
  der.sequence(
    der.sequence(der.oid('1.2.840.113549.1.1.1'), der.nullValue()),
    der.bitString(der.sequence(der.integer(modulus), der.integer(exponent))),
  );
const modulusOf = (bits: number, low = 1): Buffer => {
  const modulus = Buffer.alloc(bits / 8, 0x55);
  modulus[0] = 0x80;
  modulus[modulus.length - 1] = low;
  return modulus;
};

describe('key types', () => {
  it.each(KEY_TYPES.filter((keyType) => !/RSA(3|4)/.test(keyType)))(
    '%s is made, named again and strong',
    async (keyType) => {
      const privateKey = await generatePrivateKey(keyType);
      const spkiDer = spkiOf(privateKey);
      expect(keyTypeOf(privateKey).keyType).toBe(keyType);
      expect(keyTypeOf(spkiDer)).toEqual(keyTypeOf(createPublicKey(privateKey)));
      expect(code(() => strongKeyOf(spkiDer))).toBeUndefined();
    },
  );

  it('resolves aliases, and reads the size of a key', () => {
    expect(keyTypeOf(rsaSpki(modulusOf(3072), 65_537))).toEqual({ keyType: 'RSA3072', bits: 3072 });
    expect(generationOf('RSA4096')).toEqual({ type: 'rsa', options: { modulusLength: 4096, publicExponent: 65_537 } });
    expect(resolveKeyType('secp256r1')).toBe('ECCPRIME256V1');
    expect(resolveKeyType('ECCSECP256R1')).toBe('ECCPRIME256V1');
    expect(code(() => resolveKeyType('ECCSECT163K1'))).toBe('unsupported-key');
    expect(code(() => resolveKeyType('toString'))).toBe('unsupported-key');
  });

  it('names key types that cannot be generated here', () => {
    const spki = (namedCurve: string) => spkiOf(generateKeyPairSync('ec', { namedCurve }).publicKey);
    expect(keyTypeOf(spki('secp256k1'))).toEqual({ keyType: 'ECCSECP256K1', bits: 256 });
    expect(keyTypeOf(spki('brainpoolP256r1'))).toEqual({ keyType: 'ECCBRAINPOOLP256R1', bits: 256 });
    expect(keyTypeOf(spkiOf(generateKeyPairSync('ed448').publicKey)).keyType).toBe('ED448');
  });
});

describe('key strength', () => {
  const p256 = spkiOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey);
  const offCurve = Buffer.from(p256);
  offCurve[offCurve.length - 1] = (offCurve.at(-1) ?? 0) ^ 1;

  it.each<[string, Buffer, string | undefined]>([
    ['RSA of 2048 bits', rsaSpki(modulusOf(2048), 65_537), undefined],
    ['RSA of 2040 bits', rsaSpki(modulusOf(2040), 65_537), 'weak-key'],
    ['RSA of 16392 bits', rsaSpki(modulusOf(16_392), 65_537), 'unsupported-key'],
    ['exponent 1', rsaSpki(modulusOf(2048), 1), 'weak-key'],
    ['exponent 3', rsaSpki(modulusOf(2048), 3), 'weak-key'],
    ['an even exponent', rsaSpki(modulusOf(2048), 65_538), 'weak-key'],
    ['an even modulus', rsaSpki(modulusOf(2048, 2), 65_537), 'weak-key'],
    ['a huge exponent', rsaSpki(modulusOf(2048), 2n ** 64n + 1n), 'weak-key'],
    ['secp256k1', spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey), 'unsupported-key'],
    ['P-224', spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey), 'unsupported-key'],
    ['a point off the curve', offCurve, 'unsupported-key'],
    ['noise', Buffer.from('3003020100', 'hex'), 'malformed-key'],
  ])('%s', (_, spkiDer, expected) => expect(code(() => strongKeyOf(spkiDer))).toBe(expected));

  it.each(['uncompressed', 'compressed'] as const)('returns an EC key with its point %s', (paramEncoding) => {
    for (let i = 0; i < 300; i += 1) {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const jwk = publicKey.export({ format: 'jwk' });
      const point = ECDH.convertKey(
        Buffer.concat([Buffer.from([4]), ...[jwk.x, jwk.y].map((part) => Buffer.from(part ?? '', 'base64url'))]),
        'prime256v1',
        undefined,
        undefined,
        paramEncoding,
      );
      const spkiDer = der.sequence(
        der.sequence(der.oid('1.2.840.10045.2.1'), der.oid('1.2.840.10045.3.1.7')),
        der.bitString(Buffer.from(point)),
      );
      expect(strongKeyOf(spkiDer).equals(publicKey)).toBe(true);
    }
  });

  it('throws only PkiError', () => {
    fc.assert(
      fc.property(mutationsOf(p256, rsaSpki(modulusOf(2048), 65_537)), (spkiDer) => {
        try {
          strongKeyOf(spkiDer);
        } catch (error) {
          expect(error).toHaveProperty('name', 'PkiError');
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('private keys', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const pem = (key: KeyObject, type: 'pkcs1' | 'pkcs8' | 'sec1') => key.export({ format: 'pem', type }).toString();

  it.each<[string, KeyObject, string]>([
    ['PKCS#8', ec, pem(ec, 'pkcs8')],
    ['SEC1', ec, pem(ec, 'sec1')],
    ['PKCS#1', rsa, pem(rsa, 'pkcs1')],
    ['CRLF and text before', ec, `Bag Attributes\r\n${pem(ec, 'pkcs8').replaceAll('\n', '\r\n')}`],
    [
      'EC PARAMETERS before',
      ec,
      `${toPem('EC PARAMETERS', Buffer.from('06082a8648ce3d030107', 'hex'))}${pem(ec, 'sec1')}`,
    ],
  ])('reads %s', (_, key, text) => expect(parsePrivateKey(text).equals(key)).toBe(true));

  it('reads what openssl writes', () => {
    const text = runOn({}, 'openssl', 'ecparam', '-genkey', '-name', 'secp384r1');
    expect(keyTypeOf(parsePrivateKey(text)).keyType).toBe('ECCSECP384R1');
  });

  it.each<[string, string]>([
    [
      'encrypted PKCS#8',
      ec.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' }).toString(),
    ],
    [
      'encrypted PKCS#1',
      rsa.export({ format: 'pem', type: 'pkcs1', cipher: 'aes-256-cbc', passphrase: 'x' }).toString(),
    ],
  ])('refuses %s and says why', (_, text) => expect(() => parsePrivateKey(text)).toThrow('encrypted'));

  it.each<[string, string]>([
    ['two keys', pem(ec, 'pkcs8') + pem(rsa, 'pkcs8')],
    ['a public key', createPublicKey(ec).export({ format: 'pem', type: 'spki' }).toString()],
    ['noise', toPem('PRIVATE KEY', Buffer.from('noise'))],
    ['nothing', ''],
  ])('refuses %s', (_, text) => expect(code(() => parsePrivateKey(text))).toBe('malformed-key'));

  it('refuses a key under the wrong PEM label', () => {
    const text = toPem('RSA PRIVATE KEY', ec.export({ format: 'der', type: 'pkcs8' }));
    // Some versions of OpenSSL read the label, others only the key.
    const refused = code(() => parsePrivateKey(text));
    if (refused === undefined) expect(spkiOf(parsePrivateKey(text))).toEqual(spkiOf(ec));
    else expect(refused).toBe('malformed-key');
  });

  it('matches the public half, with a compressed point too', () => {
    expect(publicMatches(ec, spkiOf(ec))).toBe(true);
    expect(publicMatches(ec, spkiOf(rsa))).toBe(false);
    const compressed = Buffer.from(
      runOn(
        { 'key.pem': pem(ec, 'pkcs8') },
        'openssl',
        'ec',
        '-in',
        'key.pem',
        '-pubout',
        '-conv_form',
        'compressed',
        '-outform',
        'PEM',
      ).replace(/[^]*BEGIN PUBLIC KEY-----|-----END[^]*/g, ''),
      'base64',
    );
    expect(compressed.length).toBeLessThan(spkiOf(ec).length);
    expect(publicMatches(ec, compressed)).toBe(true);
  });

  it('compares keys of any two types without breaking the next key that is opened', () => {
    const made: KeyObject[] = [
      ec,
      rsa,
      generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey,
      generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey,
      ...['secp384r1', 'secp256k1'].map((namedCurve) => generateKeyPairSync('ec', { namedCurve }).privateKey),
      generateKeyPairSync('ed25519').privateKey,
      generateKeyPairSync('ed448').privateKey,
      generateKeyPairSync('x25519').privateKey,
    ];
    for (const one of made) {
      for (const other of made) {
        expect(isSameKey(spkiOf(one), spkiOf(other))).toBe(one === other);
        expect(publicMatches(one, spkiOf(other))).toBe(one === other);
        for (const key of made) expect(parsePrivateKey(pem(key, 'pkcs8')).type).toBe('private');
      }
    }
  });

  it('computes the same hash as openssl', () => {
    const spkiDer = spkiOf(ec);
    expect(runOn({ 'spki.der': spkiDer }, 'openssl', 'dgst', '-sha256', 'spki.der')).toContain(spkiHash(spkiDer));
    expect(keyIdentifierOf(spkiDer)).toEqual(
      createHash('sha256').update(spkiDer.subarray(-65)).digest().subarray(0, 20),
    );
  });
});

describe('foreign keys', () => {
  const explicit = realWorld('p256-explicit.key.pem');

  it('are stored with a named curve, so that Java opens them', () => {
    const { spkiDer } = parseCertificate(realWorld('p256-named.cert.pem'));
    const key = parsePrivateKey(explicit);
    expect(spkiOf(key)).toEqual(spkiDer);
    expect(publicMatches(key, spkiDer)).toBe(true);
    expect(keyTypeOf(spkiOf(createPrivateKey(explicit)))).toEqual({ keyType: 'ECCPRIME256V1', bits: 256 });
    expect(code(() => strongKeyOf(spkiOf(createPrivateKey(explicit))))).toBe('unsupported-key');
  });

  it('have the size of the key, not of its encoding', () => {
    expect(parseCertificate(realWorld('rsa-pss-2048.cert.pem'))).toMatchObject({ keyType: 'RSAPSS2048', bits: 2048 });
    const dsa = generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }).publicKey;
    expect(keyTypeOf(dsa)).toEqual({ keyType: 'DSA1024', bits: 1024 });
    const agreement = createECDH('secp384r1');
    agreement.generateKeys();
    const point = agreement.getPublicKey(null, 'compressed');
    const curve = der.sequence(der.oid('1.2.840.10045.2.1'), der.oid('1.3.132.0.34'));
    expect(keyTypeOf(der.sequence(curve, der.bitString(point)))).toEqual({ keyType: 'ECCSECP384R1', bits: 384 });
    const unknown = der.sequence(der.oid('1.2.840.10045.2.1'), der.oid('1.2.3'));
    expect(keyTypeOf(der.sequence(unknown, der.bitString(point)))).toEqual({ keyType: '1.2.3', bits: 384 });
  });

  it('are not reported as encrypted because of text beside them', () => {
    expect(parsePrivateKey(`friendlyName: NOT ENCRYPTED\n${explicit}`).asymmetricKeyType).toBe('ec');
    expect(() => parsePrivateKey(explicit.replace('\n', '\nProc-Type: 4,ENCRYPTED\n\n'))).toThrow('encrypted');
  });
});
