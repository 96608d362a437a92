import { createPrivateKey, createPublicKey, generateKeyPair, hash, KeyObject } from 'node:crypto';
import { DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import {
  bitLength,
  curveOid,
  type KeyFacts,
  p256Coordinates,
  readKeyFacts,
  readRsa,
  readSpki,
  RSA_NAMES,
  unreadableKeyFacts,
} from './key-names.js';
import { pemBlocks } from './pem.js';
import { orPkiError, PkiError } from './pki-error.js';

/** Key types that can be generated here, by the names of Lemur's clients. */
export const KEY_TYPES = [
  'RSA2048',
  'RSA3072',
  'RSA4096',
  'ECCPRIME256V1',
  'ECCSECP384R1',
  'ECCSECP521R1',
  'ED25519',
] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** The arguments of `crypto.generateKeyPair`. */
export type KeyGeneration =
  | { type: 'rsa'; options: { modulusLength: number; publicExponent: number } }
  | { type: 'ec'; options: { namedCurve: string } }
  | { type: 'ed25519'; options: Record<string, never> };

const ALIASES: Readonly<Record<string, KeyType>> = {
  ECCSECP256R1: 'ECCPRIME256V1',
  SECP256R1: 'ECCPRIME256V1',
  PRIME256V1: 'ECCPRIME256V1',
  SECP384R1: 'ECCSECP384R1',
  SECP521R1: 'ECCSECP521R1',
};

const NODE_CURVES: Readonly<Record<string, string>> = {
  ECCPRIME256V1: 'prime256v1',
  ECCSECP384R1: 'secp384r1',
  ECCSECP521R1: 'secp521r1',
};

const MAX_RSA_BITS = 16_384;

/** The key type for a name or alias, in any case. Throws PkiError `unsupported-key`. */
export function resolveKeyType(name: string): KeyType {
  const upper = name.toUpperCase();
  const known = KEY_TYPES.find((keyType) => keyType === upper) ?? ALIASES[upper];
  if (!known)
    throw new PkiError(
      'unsupported-key',
      `Keys of type "${name.slice(0, 40)}" cannot be generated here; use ${KEY_TYPES.join(', ')}`,
    );
  return known;
}

/**
 * False for key types that can be read and stored but not generated here, e.g. on other curves than the three of NIST.
 */
export function canMakeKey(name: string): boolean {
  return KEY_TYPES.some((keyType) => keyType === name.toUpperCase()) || name.toUpperCase() in ALIASES;
}

/** The arguments of `crypto.generateKeyPair` for a key type. Throws PkiError `unsupported-key`. */
export function generationOf(name: string): KeyGeneration {
  const keyType = resolveKeyType(name);
  if (keyType === 'ED25519') return { type: 'ed25519', options: {} };
  const namedCurve = NODE_CURVES[keyType];
  return namedCurve
    ? { type: 'ec', options: { namedCurve } }
    : { type: 'rsa', options: { modulusLength: Number(keyType.slice(3)), publicExponent: 65_537 } };
}

/** Generates a key outside the event loop; RSA takes up to seconds of CPU time. Throws PkiError `unsupported-key`. */
export async function generatePrivateKey(name: string): Promise<KeyObject> {
  const generation = generationOf(name);
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null, _publicKey: KeyObject, privateKey: KeyObject) =>
      error ? reject(error) : resolve(privateKey);
    if (generation.type === 'rsa') generateKeyPair('rsa', generation.options, settle);
    else if (generation.type === 'ec') generateKeyPair('ec', generation.options, settle);
    else generateKeyPair('ed25519', generation.options, settle);
  });
}

/**
 * Type and size of a public key (KeyObject or SubjectPublicKeyInfo DER); an unknown algorithm is named by its OID.
 * Throws PkiError `malformed-key`.
 */
export function keyTypeOf(key: KeyObject | Buffer): KeyFacts {
  const spkiDer = key instanceof KeyObject ? spkiOf(key) : key;
  return orPkiError('malformed-key', 'The public key is not readable', () => readKeyFacts(spkiDer));
}

/** Modulus and exponent of an RSA key; null for other keys. Throws PkiError `malformed-key`. */
export function rsaNumbersOf(spkiDer: Buffer): { modulus: Buffer; exponent: Buffer } | null {
  return orPkiError('malformed-key', 'The public key is not readable', () => {
    const { oid, publicKey } = readSpki(spkiDer);
    return RSA_NAMES.has(oid) ? readRsa(publicKey) : null;
  });
}

/** As `keyTypeOf`, but never throws: for a foreign key that cannot be parsed it returns the algorithm and 0 bits. */
export function keyFactsOf(spkiDer: Buffer): KeyFacts {
  try {
    return readKeyFacts(spkiDer);
  } catch {
    return unreadableKeyFacts(spkiDer);
  }
}

/**
 * The public key as KeyObject, if it is acceptable: RSA from 2048 bits with a usual exponent, P-256, P-384, P-521 or
 * Ed25519. Throws PkiError `weak-key`, `unsupported-key` or `malformed-key`.
 */
export function strongKeyOf(spkiDer: Buffer): KeyObject {
  const { keyType, bits } = keyTypeOf(spkiDer);
  if (/^RSA\d/.test(keyType)) {
    checkRsa(readRsa(readSpki(spkiDer).publicKey), bits);
  } else if (!(KEY_TYPES as readonly string[]).includes(keyType)) {
    throw new PkiError('unsupported-key', `Keys of type ${keyType} are not accepted`);
  } else if (keyType !== 'ED25519' && readSpki(spkiDer).parameters[0] !== Tag.oid) {
    throw new PkiError('unsupported-key', 'The key gives its curve by numbers, not by name (RFC 5480 §2.1.1)');
  }
  return publicKeyOf(spkiDer);
}

/**
 * The canonical SubjectPublicKeyInfo of an accepted key (RFC 3279, RFC 5480): RSA with NULL parameters, EC with an
 * uncompressed point. `key`: the same as KeyObject, where it is known. Throws as `strongKeyOf`.
 */
export function canonicalSpki(spkiDer: Buffer, key = strongKeyOf(spkiDer)): Buffer {
  if (p256Coordinates(spkiDer)) return Buffer.from(spkiDer);
  if (key.asymmetricKeyType !== 'ec') return spkiOf(key);
  return spkiOf(createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' }));
}

function checkRsa({ modulus, exponent }: { modulus: Buffer; exponent: Buffer }, bits: number): void {
  if (bits < 2048) throw new PkiError('weak-key', `The RSA key has ${bits} bits; at least 2048 are needed`);
  if (bits > MAX_RSA_BITS)
    throw new PkiError('unsupported-key', `The RSA key has ${bits} bits; at most ${MAX_RSA_BITS} are accepted`);
  const exponentBits = bitLength(exponent);
  // A set first bit would make the number negative.
  const isPositive = (octets: Buffer) => (octets[0] ?? 0x80) < 0x80;
  if (!isPositive(modulus) || !isPositive(exponent))
    throw new PkiError('unsupported-key', 'The RSA key has a negative modulus or exponent');
  const isOdd = (octets: Buffer) => ((octets.at(-1) ?? 0) & 1) === 1;
  if (exponentBits < 17 || exponentBits > 32 || !isOdd(exponent) || !isOdd(modulus)) {
    throw new PkiError('weak-key', 'The RSA key has an unsafe exponent or modulus; the usual exponent is 65537');
  }
}

/** The public key as KeyObject; checks that an EC point is on its curve. Throws PkiError `unsupported-key`. */
export function publicKeyOf(spkiDer: Buffer): KeyObject {
  return orPkiError('unsupported-key', 'The public key is not valid or not supported', () => {
    const point = p256Coordinates(spkiDer);
    return point ? p256KeyOf(point) : createPublicKey({ key: spkiDer, format: 'der', type: 'spki' });
  });
}

/** OpenSSL takes twice as long to detect the format of DER. */
function p256KeyOf(point: Buffer): KeyObject {
  const coordinate = (from: number): string => point.toString('base64url', from, from + 32);
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: coordinate(0), y: coordinate(32) }, format: 'jwk' });
}

/** OpenSSL takes as long to encode a P-256 key as to sign with it. */
const encoded = new WeakMap<KeyObject, Buffer>();

/** SubjectPublicKeyInfo DER of a public or private key. */
export function spkiOf(key: KeyObject): Buffer {
  const known = encoded.get(key);
  if (known) return known;
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const spkiDer = publicKey.export({ format: 'der', type: 'spki' });
  encoded.set(key, spkiDer);
  return spkiDer;
}

const PRIVATE_KEY_FORMS = { 'PRIVATE KEY': 'pkcs8', 'RSA PRIVATE KEY': 'pkcs1', 'EC PRIVATE KEY': 'sec1' } as const;
type PrivateKeyLabel = keyof typeof PRIVATE_KEY_FORMS;
const MAX_PRIVATE_KEY_LENGTH = 65_536;
/** RFC 7468 §11 and RFC 1421 §4.6.1.1. A bare "ENCRYPTED" may be part of a name beside the key. */
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m;

/**
 * Parses exactly one unencrypted PKCS#8, PKCS#1 or SEC1 key. Throws PkiError `malformed-key`; its message and cause
 * reveal nothing of the key.
 */
export function parsePrivateKey(pem: string): KeyObject {
  if (ENCRYPTED.test(pem))
    throw new PkiError('malformed-key', 'The private key is encrypted; give it without a passphrase');
  if (pem.length > MAX_PRIVATE_KEY_LENGTH) throw new PkiError('malformed-key', 'The private key is too large');
  try {
    const [block, ...others] = pemBlocks(pem, Object.keys(PRIVATE_KEY_FORMS));
    if (block && others.length === 0) {
      const type = PRIVATE_KEY_FORMS[block.label as PrivateKeyLabel];
      return withNamedCurve(createPrivateKey({ key: block.der, format: 'der', type }));
    }
  } catch {
    // Said below: what a library says about a key's bytes must not travel.
  }
  throw new PkiError('malformed-key', 'Not a private key: one PEM block in PKCS#8, PKCS#1 or SEC1 form is needed');
}

/**
 * As `parsePrivateKey`; with a passphrase also an encrypted key (PKCS#8, or RFC 1421 as OpenSSL writes it). Throws
 * PkiError `malformed-key`.
 */
export function openPrivateKey(pem: string, passphrase?: string): KeyObject {
  if (passphrase === undefined || !ENCRYPTED.test(pem)) return parsePrivateKey(pem);
  if (pem.length > MAX_PRIVATE_KEY_LENGTH) throw new PkiError('malformed-key', 'The private key is too large');
  try {
    return withNamedCurve(createPrivateKey({ key: pem, format: 'pem', passphrase }));
  } catch {
    throw new PkiError('malformed-key', 'The passphrase does not open the private key');
  }
}

/**
 * Replaces explicit curve parameters (RFC 5915 §3) by the named curve, as Java and RFC 5480 §2.1.1 require. A curve
 * without a name stays as it is.
 */
function withNamedCurve(key: KeyObject): KeyObject {
  const oid = curveOid(key.asymmetricKeyDetails?.namedCurve);
  if (oid === undefined) return key;
  const sec1 = DerReader.enter(key.export({ format: 'der', type: 'sec1' }));
  const [version, scalar] = [sec1.raw(Tag.integer), sec1.raw(Tag.octetString)];
  const isNamed = sec1.enterIf(0xa0)?.peek() === Tag.oid;
  if (isNamed) return key;
  const publicKey = sec1.more ? [sec1.raw(0xa1)] : [];
  const named = der.sequence(version, scalar, der.explicit(0, der.oid(oid)), ...publicKey);
  return createPrivateKey({ key: named, format: 'der', type: 'sec1' });
}

/** Whether `spkiDer` (of a certificate or CSR) is the public half of `privateKey`; false when it cannot be parsed. */
export function publicMatches(privateKey: KeyObject, spkiDer: Buffer): boolean {
  try {
    return isSameKey(spkiOf(privateKey), spkiDer);
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}

/**
 * Whether two SubjectPublicKeyInfos (DER) hold the same key, in any encoding. Throws PkiError `unsupported-key`.
 *
 * Call `KeyObject.equals` with keys of one type only: for two types Node leaves an entry on OpenSSL's error queue, and
 * the next key that the process opens fails with it.
 */
export function isSameKey(spkiDer: Buffer, otherSpkiDer: Buffer): boolean {
  if (spkiDer.equals(otherSpkiDer)) return true;
  // One encoding has one form for each key.
  if (p256Coordinates(spkiDer) && p256Coordinates(otherSpkiDer)) return false;
  const [one, other] = [publicKeyOf(spkiDer), publicKeyOf(otherSpkiDer)];
  return one.asymmetricKeyType === other.asymmetricKeyType && one.equals(other);
}

/** SHA-256 of the SubjectPublicKeyInfo, lower hex: equal for all certificates of one key. */
export function spkiHash(spkiDer: Buffer): string {
  return hash('sha256', spkiDer, 'hex');
}

/**
 * The bits of the public key without tag, length and unused bits, which CertID and ResponderID hash (RFC 6960 §4.1.1,
 * §4.2.1). Throws PkiError `malformed-key`.
 */
export function publicKeyBitsOf(spkiDer: Buffer): Buffer {
  return orPkiError('malformed-key', 'The public key is not readable', () => readSpki(spkiDer)).publicKey;
}

/**
 * Key identifier by RFC 7093 §2 method 1: the first 160 bits of SHA-256 over the public key bits. Throws PkiError
 * `malformed-key`.
 */
export function keyIdentifierOf(spkiDer: Buffer): Buffer {
  return hash('sha256', publicKeyBitsOf(spkiDer), 'buffer').subarray(0, 20);
}

/**
 * True when the identifier (lower hex) is derived from the key in one of the usual ways: as `keyIdentifierOf`, or by
 * SHA-1 (RFC 5280 §4.2.1.2).
 */
export function isKeyIdentifierOf(keyIdentifier: string, spkiDer: Buffer): boolean {
  return [keyIdentifierOf(spkiDer).toString('hex'), hash('sha1', publicKeyBitsOf(spkiDer), 'hex')].includes(
    keyIdentifier,
  );
}
