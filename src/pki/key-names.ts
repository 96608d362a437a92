import { createPublicKey } from 'node:crypto';
import { DerReader, Tag } from './der/reader.js';

/**
 * `keyType` is Lemur's name if there is one, else a name or dotted OID; `bits` is the size of the modulus, field or
 * key.
 */
export interface KeyFacts {
  keyType: string;
  bits: number;
}

/** The parts of a SubjectPublicKeyInfo; `parameters` is one element or empty. */
export interface SpkiParts {
  oid: string;
  parameters: Buffer;
  publicKey: Buffer;
}

/** Curves by their `node:crypto` names, with OID and field size (RFC 5480, RFC 5639, SEC 2). */
const CURVES: readonly (readonly [name: string, oid: string, bits: number])[] = [
  ['prime256v1', '1.2.840.10045.3.1.7', 256],
  ['secp384r1', '1.3.132.0.34', 384],
  ['secp521r1', '1.3.132.0.35', 521],
  ['prime192v1', '1.2.840.10045.3.1.1', 192],
  ['prime192v2', '1.2.840.10045.3.1.2', 192],
  ['prime192v3', '1.2.840.10045.3.1.3', 192],
  ['prime239v1', '1.2.840.10045.3.1.4', 239],
  ['prime239v2', '1.2.840.10045.3.1.5', 239],
  ['prime239v3', '1.2.840.10045.3.1.6', 239],
  ['secp112r1', '1.3.132.0.6', 112],
  ['secp112r2', '1.3.132.0.7', 112],
  ['secp128r1', '1.3.132.0.28', 128],
  ['secp128r2', '1.3.132.0.29', 128],
  ['secp160k1', '1.3.132.0.9', 160],
  ['secp160r1', '1.3.132.0.8', 160],
  ['secp160r2', '1.3.132.0.30', 160],
  ['secp192k1', '1.3.132.0.31', 192],
  ['secp224k1', '1.3.132.0.32', 224],
  ['secp224r1', '1.3.132.0.33', 224],
  ['secp256k1', '1.3.132.0.10', 256],
  ['sect113r1', '1.3.132.0.4', 113],
  ['sect113r2', '1.3.132.0.5', 113],
  ['sect131r1', '1.3.132.0.22', 131],
  ['sect131r2', '1.3.132.0.23', 131],
  ['sect163k1', '1.3.132.0.1', 163],
  ['sect163r1', '1.3.132.0.2', 163],
  ['sect163r2', '1.3.132.0.15', 163],
  ['sect193r1', '1.3.132.0.24', 193],
  ['sect193r2', '1.3.132.0.25', 193],
  ['sect233k1', '1.3.132.0.26', 233],
  ['sect233r1', '1.3.132.0.27', 233],
  ['sect239k1', '1.3.132.0.3', 239],
  ['sect283k1', '1.3.132.0.16', 283],
  ['sect283r1', '1.3.132.0.17', 283],
  ['sect409k1', '1.3.132.0.36', 409],
  ['sect409r1', '1.3.132.0.37', 409],
  ['sect571k1', '1.3.132.0.38', 571],
  ['sect571r1', '1.3.132.0.39', 571],
  ...[160, 192, 224, 256, 320, 384, 512].flatMap(
    (bits, i) =>
      [
        [`brainpoolP${bits}r1`, `1.3.36.3.3.2.8.1.1.${2 * i + 1}`, bits],
        [`brainpoolP${bits}t1`, `1.3.36.3.3.2.8.1.1.${2 * i + 2}`, bits],
      ] as const,
  ),
  ['SM2', '1.2.156.10197.1.301', 256],
];
const BY_OID = new Map(CURVES.map(([name, oid, bits]) => [oid, { keyType: curveKeyType(name), bits }]));
const OIDS = new Map(CURVES.map(([name, oid]) => [name, oid]));

/** Lemur has its own name for `sect571r1`. */
function curveKeyType(name: string): string {
  return name === 'SM2' ? name : name === 'sect571r1' ? 'ECCSECT571R2' : `ECC${name.toUpperCase()}`;
}

/** The OID of a curve by its `node:crypto` name; undefined for an unknown curve. */
export function curveOid(name: string | undefined): string | undefined {
  return name === undefined ? undefined : OIDS.get(name);
}

/** Key types of a fixed size (RFC 8410, RFC 9881, RFC 9909, RFC 9215). */
const FIXED: ReadonlyMap<string, KeyFacts> = new Map([
  ['1.3.101.110', { keyType: 'X25519', bits: 256 }],
  ['1.3.101.111', { keyType: 'X448', bits: 448 }],
  ['1.3.101.112', { keyType: 'ED25519', bits: 256 }],
  ['1.3.101.113', { keyType: 'ED448', bits: 456 }],
  ['1.2.643.2.2.19', { keyType: 'GOST2001', bits: 256 }],
  ['1.2.643.7.1.1.1.1', { keyType: 'GOST2012-256', bits: 256 }],
  ['1.2.643.7.1.1.1.2', { keyType: 'GOST2012-512', bits: 512 }],
]);

/** FIPS 203, 204 and 205 by their OIDs below 2.16.840.1.101.3.4. */
const POST_QUANTUM: ReadonlyMap<string, string> = new Map([
  ...[44, 65, 87].map((size, i) => [`2.16.840.1.101.3.4.3.${17 + i}`, `ML-DSA-${size}`] as const),
  ...[512, 768, 1024].map((size, i) => [`2.16.840.1.101.3.4.4.${1 + i}`, `ML-KEM-${size}`] as const),
  ...['SHA2', 'SHAKE'].flatMap((hash, h) =>
    ['128S', '128F', '192S', '192F', '256S', '256F'].map(
      (size, i) => [`2.16.840.1.101.3.4.3.${20 + 6 * h + i}`, `SLH-DSA-${hash}-${size}`] as const,
    ),
  ),
]);

/** The name of an algorithm that needs no parameters, e.g. `ED25519` or `ML-DSA-65`. */
export function algorithmName(oid: string): string | undefined {
  return FIXED.get(oid)?.keyType ?? POST_QUANTUM.get(oid);
}

const DL_GROUPS: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10040.4.1', 'DSA'],
  ['1.2.840.10046.2.1', 'DH'],
  ['1.2.840.113549.1.3.1', 'DH'],
]);

/** Name prefixes for RSA keys; the modulus size follows (RFC 8017 appendix C). */
export const RSA_NAMES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.1', 'RSA'],
  ['1.2.840.113549.1.1.7', 'RSAOAEP'],
  ['1.2.840.113549.1.1.10', 'RSAPSS'],
]);
export const EC = '1.2.840.10045.2.1';

/** SubjectPublicKeyInfo of a P-256 key up to its uncompressed point: two coordinates of 32 octets follow. */
const P256_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_PARAMETERS = P256_HEAD.subarray(13, 23);

/** The usual form of the usual key: the two coordinates of a P-256 key; undefined for any other encoding or key. */
export function p256Coordinates(spkiDer: Buffer): Buffer | undefined {
  const isPlain = spkiDer.length === P256_HEAD.length + 64 && P256_HEAD.compare(spkiDer, 0, P256_HEAD.length) === 0;
  return isPlain ? spkiDer.subarray(P256_HEAD.length) : undefined;
}

/** Reads the parts of a SubjectPublicKeyInfo. Throws DerError. */
export function readSpki(spkiDer: Buffer): SpkiParts {
  if (p256Coordinates(spkiDer))
    return { oid: EC, parameters: P256_PARAMETERS, publicKey: spkiDer.subarray(P256_HEAD.length - 1) };
  const spki = DerReader.enter(spkiDer, Tag.sequence, 'ber');
  const algorithm = spki.enter();
  const oid = algorithm.oid();
  const parameters = algorithm.more ? algorithm.raw() : Buffer.alloc(0);
  algorithm.end();
  const publicKey = spki.bitString().bytes;
  spki.end();
  return { oid, parameters, publicKey };
}

/** Type and size of a public key in DER; an unknown algorithm is named by its OID. Throws DerError. */
export function readKeyFacts(spkiDer: Buffer): KeyFacts {
  const { oid, parameters, publicKey } = readSpki(spkiDer);
  const rsa = RSA_NAMES.get(oid);
  if (rsa !== undefined) return sized(rsa, bitLength(readRsa(publicKey).modulus));
  if (oid === EC) return curveFacts(spkiDer, parameters, publicKey);
  const group = DL_GROUPS.get(oid);
  if (group !== undefined) return sized(group, bitLength(sizeGiver(parameters, publicKey)));
  return FIXED.get(oid) ?? { keyType: POST_QUANTUM.get(oid) ?? oid.slice(0, 100), bits: publicKey.length * 8 };
}

/** For a key that cannot be parsed: its algorithm alone. */
export function unreadableKeyFacts(spkiDer: Buffer): KeyFacts {
  try {
    const oid = DerReader.enter(spkiDer, Tag.sequence, 'ber').enter().oid();
    return {
      keyType:
        RSA_NAMES.get(oid) ?? DL_GROUPS.get(oid) ?? algorithmName(oid) ?? (oid === EC ? 'EC' : oid.slice(0, 100)),
      bits: 0,
    };
  } catch {
    return { keyType: 'unknown', bits: 0 };
  }
}

function sized(name: string, bits: number): KeyFacts {
  return { keyType: `${name}${bits}`, bits };
}

/**
 * The number that gives the key size: the prime of the group, or the public value (about as long) when the parameters
 * are inherited from the issuer.
 */
function sizeGiver(parameters: Buffer, publicKey: Buffer): Buffer {
  return parameters[0] === Tag.sequence
    ? DerReader.enter(parameters, Tag.sequence, 'ber').integer()
    : DerReader.over(publicKey, 'ber').integer();
}

function curveFacts(spkiDer: Buffer, parameters: Buffer, publicKey: Buffer): KeyFacts {
  // A point is a format octet, then one coordinate if compressed, else two (SEC 1 §2.3.3).
  const coordinateBits = ((publicKey.length - 1) * 8) / (publicKey[0] === 2 || publicKey[0] === 3 ? 1 : 2);
  if (parameters[0] === Tag.oid) {
    const curve = DerReader.over(parameters, 'ber').oid();
    return BY_OID.get(curve) ?? { keyType: curve.slice(0, 100), bits: coordinateBits };
  }
  if (parameters[0] !== Tag.sequence) return { keyType: 'EC', bits: coordinateBits };
  const named = BY_OID.get(curveOid(curveNameOf(spkiDer)) ?? '');
  return named ?? sized('ECEXPLICIT', fieldBits(parameters));
}

/** OpenSSL recognises named curves by their explicit parameters. */
function curveNameOf(spkiDer: Buffer): string | undefined {
  try {
    return createPublicKey({ key: spkiDer, format: 'der', type: 'spki' }).asymmetricKeyDetails?.namedCurve;
  } catch {
    return undefined;
  }
}

const PRIME_FIELD = '1.2.840.10045.1.1';

/** Field size of explicit parameters (SpecifiedECDomain, SEC 1 §C.2). */
function fieldBits(parameters: Buffer): number {
  const domain = DerReader.enter(parameters, Tag.sequence, 'ber');
  domain.integer();
  const field = domain.enter();
  return field.oid() === PRIME_FIELD ? bitLength(field.integer()) : field.enter().smallInteger();
}

/** Modulus and exponent of an RSAPublicKey. Throws DerError. */
export function readRsa(publicKey: Buffer): { modulus: Buffer; exponent: Buffer } {
  const key = DerReader.enter(publicKey, Tag.sequence, 'ber');
  const modulus = key.integer();
  const exponent = key.integer();
  key.end();
  return { modulus, exponent };
}

/** The number of bits of a magnitude without leading zeros. */
export function bitLength(magnitude: Buffer): number {
  const at = magnitude.findIndex((octet) => octet !== 0);
  return at < 0 ? 0 : (magnitude.length - at) * 8 - Math.clz32(magnitude[at] ?? 0) + 24;
}
