import {
  constants,
  createPublicKey,
  createSign,
  getHashes,
  type KeyObject,
  sign as cryptoSign,
  verify as cryptoVerify,
  type VerifyKeyObjectInput,
} from 'node:crypto';
import { setImmediate } from 'node:timers';
import type { Signer } from '../plugin-api/signer.js';
import { DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import { spkiOf } from './key.js';
import { algorithmName } from './key-names.js';
import { orPkiError, PkiError } from './pki-error.js';

/** How a key signs: `hash` for `Signer.sign`, and the AlgorithmIdentifier to write beside the signature. */
export interface SignatureAlgorithm {
  hash: string | null;
  algorithmDer: Buffer;
}

const ed25519: SignatureAlgorithm = { hash: null, algorithmDer: der.sequence(der.oid('1.3.101.112')) };
const rsaSha256: SignatureAlgorithm = {
  hash: 'sha256',
  algorithmDer: der.sequence(der.oid('1.2.840.113549.1.1.11'), der.nullValue()),
};
const ecdsa = (hash: string, oid: string): SignatureAlgorithm => ({ hash, algorithmDer: der.sequence(der.oid(oid)) });
const BY_CURVE: Readonly<Record<string, SignatureAlgorithm>> = {
  prime256v1: ecdsa('sha256', '1.2.840.10045.4.3.2'),
  secp384r1: ecdsa('sha384', '1.2.840.10045.4.3.3'),
  secp521r1: ecdsa('sha512', '1.2.840.10045.4.3.4'),
};

/**
 * The algorithm used with a key: a hash as strong as the curve, SHA-256 for RSA (PKCS#1 v1.5). Throws PkiError
 * `unsupported-key`.
 */
export function signatureAlgorithmOf({
  keyType,
  namedCurve,
}: Pick<Signer, 'keyType' | 'namedCurve'>): SignatureAlgorithm {
  if (keyType === 'ed25519') return ed25519;
  if (keyType === 'rsa') return rsaSha256;
  const algorithm = BY_CURVE[namedCurve ?? ''];
  if (!algorithm)
    throw new PkiError('unsupported-key', `Keys on the curve ${namedCurve ?? '(none)'} are not supported for signing`);
  return algorithm;
}

/**
 * True for P-256: to sign or verify it on the spot costs less than to wake a thread for it. Other algorithms take up to
 * a hundred times as long.
 */
function isQuick(key: KeyObject): boolean {
  return key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/** Octets that are hashed before other work of the process gets its turn: less than a millisecond. */
const sliceOctets = 1024 * 1024;

/** Signs what is as long as a CRL of a million entries. Its octets are hashed in slices, and never copied. */
async function signLong(hash: string, data: Buffer, privateKey: KeyObject): Promise<Buffer> {
  const signing = createSign(hash);
  for (let from = 0; from < data.length; from += sliceOctets) {
    signing.update(data.subarray(from, from + sliceOctets));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return signing.sign(privateKey);
}

/** A Signer for a key in this process. Throws PkiError `unsupported-key`. */
export function signerOf(privateKey: KeyObject): Signer {
  const keyType = privateKey.asymmetricKeyType;
  if (keyType !== 'ec' && keyType !== 'rsa' && keyType !== 'ed25519') {
    throw new PkiError('unsupported-key', `Keys of type ${keyType ?? '(none)'} are not supported for signing`);
  }
  const quick = isQuick(privateKey);
  return {
    keyType,
    namedCurve: privateKey.asymmetricKeyDetails?.namedCurve,
    spkiDer: spkiOf(privateKey),
    sign: async (hash, data) => {
      if (hash !== null && data.length > sliceOctets) return signLong(hash, data, privateKey);
      return quick
        ? cryptoSign(hash, data, privateKey)
        : new Promise((resolve, reject) => {
            cryptoSign(hash, data, privateKey, (error, signature) => (error ? reject(error) : resolve(signature)));
          });
    },
  };
}

interface Scheme {
  /** The common name: the hash, or the algorithm if it has no separate hash. */
  name: string;
  /** For `crypto.verify`; undefined when OpenSSL cannot verify the algorithm. */
  hash?: string | null;
  keyTypes: readonly string[];
}

const HASHES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.5', 'md5'],
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
  ['2.16.840.1.101.3.4.2.5', 'sha512-224'],
  ['2.16.840.1.101.3.4.2.6', 'sha512-256'],
  ['2.16.840.1.101.3.4.2.7', 'sha3-224'],
  ['2.16.840.1.101.3.4.2.8', 'sha3-256'],
  ['2.16.840.1.101.3.4.2.9', 'sha3-384'],
  ['2.16.840.1.101.3.4.2.10', 'sha3-512'],
]);

/** Signature algorithms by hash (RFC 8017, RFC 3279, RFC 5758, RFC 8692, FIPS 204 and others). */
const HASHED: readonly (readonly [keyType: string, Readonly<Record<string, string>>])[] = [
  [
    'rsa',
    {
      '1.2.840.113549.1.1.2': 'md2',
      '1.2.840.113549.1.1.3': 'md4',
      '1.2.840.113549.1.1.4': 'md5',
      '1.2.840.113549.1.1.5': 'sha1',
      '1.2.840.113549.1.1.11': 'sha256',
      '1.2.840.113549.1.1.12': 'sha384',
      '1.2.840.113549.1.1.13': 'sha512',
      '1.2.840.113549.1.1.14': 'sha224',
      '1.2.840.113549.1.1.15': 'sha512-224',
      '1.2.840.113549.1.1.16': 'sha512-256',
      '1.3.14.3.2.3': 'md5',
      '1.3.14.3.2.29': 'sha1',
      '1.3.36.3.3.1.2': 'ripemd160',
      '2.16.840.1.101.3.4.3.13': 'sha3-224',
      '2.16.840.1.101.3.4.3.14': 'sha3-256',
      '2.16.840.1.101.3.4.3.15': 'sha3-384',
      '2.16.840.1.101.3.4.3.16': 'sha3-512',
    },
  ],
  [
    'ec',
    {
      '1.2.840.10045.4.1': 'sha1',
      '1.2.840.10045.4.3.1': 'sha224',
      '1.2.840.10045.4.3.2': 'sha256',
      '1.2.840.10045.4.3.3': 'sha384',
      '1.2.840.10045.4.3.4': 'sha512',
      '2.16.840.1.101.3.4.3.9': 'sha3-224',
      '2.16.840.1.101.3.4.3.10': 'sha3-256',
      '2.16.840.1.101.3.4.3.11': 'sha3-384',
      '2.16.840.1.101.3.4.3.12': 'sha3-512',
    },
  ],
  [
    'dsa',
    {
      '1.2.840.10040.4.3': 'sha1',
      '1.3.14.3.2.27': 'sha1',
      '2.16.840.1.101.3.4.3.1': 'sha224',
      '2.16.840.1.101.3.4.3.2': 'sha256',
      '2.16.840.1.101.3.4.3.3': 'sha384',
      '2.16.840.1.101.3.4.3.4': 'sha512',
      '2.16.840.1.101.3.4.3.5': 'sha3-224',
      '2.16.840.1.101.3.4.3.6': 'sha3-256',
      '2.16.840.1.101.3.4.3.7': 'sha3-384',
      '2.16.840.1.101.3.4.3.8': 'sha3-512',
    },
  ],
];

const PSS = '1.2.840.113549.1.1.10';
const SCHEMES: ReadonlyMap<string, Scheme> = new Map<string, Scheme>([
  ...HASHED.flatMap(([keyType, byOid]) =>
    Object.entries(byOid).map(([oid, hash]) => [oid, { name: hash, hash, keyTypes: [keyType] }] as const),
  ),
  ['1.3.101.112', { name: 'ed25519', hash: null, keyTypes: ['ed25519'] }],
  ['1.3.101.113', { name: 'ed448', hash: null, keyTypes: ['ed448'] }],
  ['1.2.156.10197.1.501', { name: 'sm3', keyTypes: ['ec'] }],
  ['1.2.643.2.2.3', { name: 'gost94', keyTypes: [] }],
  ['1.2.643.7.1.1.3.2', { name: 'streebog256', keyTypes: [] }],
  ['1.2.643.7.1.1.3.3', { name: 'streebog512', keyTypes: [] }],
]);

/**
 * The hash (`sha256`) of an AlgorithmIdentifier, or the scheme without one (`ed25519`); the OID when unknown. Throws
 * DerError for malformed input.
 */
export function signatureAlgorithmName(algorithmDer: Buffer): string {
  const oid = DerReader.enter(algorithmDer, Tag.sequence, 'ber').oid();
  if (oid === PSS) return pssHashName(algorithmDer);
  return SCHEMES.get(oid)?.name ?? algorithmName(oid)?.toLowerCase() ?? oid.slice(0, 100);
}

function pssHashName(algorithmDer: Buffer): string {
  try {
    return readPss(algorithmDer).hash.slice(0, 100);
  } catch {
    return 'rsassa-pss';
  }
}

/** Hashes by name, or by OID when unknown; `saltLength` in octets. */
interface PssParameters {
  hash: string;
  mgf1Hash: string;
  saltLength: number;
}

const MGF1 = '1.2.840.113549.1.1.8';

/** RFC 4055 §3.1. Throws DerError, and PkiError `unsupported-signature` for a mask function other than MGF1. */
function readPss(algorithmDer: Buffer): PssParameters {
  const algorithm = DerReader.enter(algorithmDer, Tag.sequence, 'ber');
  algorithm.oid();
  const parameters = algorithm.enterIf(Tag.sequence);
  const hash = hashName(parameters?.enterIf(0xa0));
  const mask = parameters?.enterIf(0xa1)?.enter();
  if (mask && mask.oid() !== MGF1)
    throw new PkiError('unsupported-signature', 'The mask generation function of the signature is not known');
  return { hash, mgf1Hash: hashName(mask), saltLength: parameters?.enterIf(0xa2)?.smallInteger() ?? 20 };
}

function hashName(holder: DerReader | undefined): string {
  const oid = holder?.enter().oid();
  return oid === undefined ? 'sha1' : (HASHES.get(oid) ?? oid);
}

/** A signature, its algorithm and the signed data. */
export interface SignedData {
  algorithmDer: Buffer;
  data: Buffer;
  signature: Buffer;
}

/**
 * Whether the signature is valid; false when the algorithm does not fit the key. Throws PkiError
 * `unsupported-signature` for an unknown algorithm.
 */
export async function verifySignature({ algorithmDer, data, signature }: SignedData, key: KeyObject): Promise<boolean> {
  const check = orPkiError('unsupported-signature', 'The signature algorithm is not readable', () =>
    checkOf(algorithmDer, key),
  );
  if (check === null) return false;
  const { hash, ...options } = check;
  if (isQuick(key)) return cryptoVerify(hash, data, options, signature);
  return new Promise((resolve) => {
    cryptoVerify(hash, data, options, signature, (error, good) => resolve(!error && good));
  });
}

type Check = VerifyKeyObjectInput & { hash: string | null };

/** Null when the algorithm does not fit the key. */
function checkOf(algorithmDer: Buffer, key: KeyObject): Check | null {
  const oid = DerReader.enter(algorithmDer, Tag.sequence, 'ber').oid();
  const keyType = key.asymmetricKeyType ?? '';
  if (oid === PSS) return keyType === 'rsa' || keyType === 'rsa-pss' ? pssCheck(readPss(algorithmDer), key) : null;
  const { keyTypes, hash } = SCHEMES.get(oid) ?? {};
  if (hash === undefined || (hash !== null && !known.has(hash)))
    throw new PkiError(
      'unsupported-signature',
      `Signatures of algorithm ${signatureAlgorithmName(algorithmDer)} cannot be checked`,
    );
  return keyTypes?.includes(keyType) ? { hash, key } : null;
}

/** Some OpenSSL builds lack old hashes. */
const known = new Set(getHashes().map((name) => name.toLowerCase()));

/**
 * Node.js has no option for the hash of the mask, but an RSASSA-PSS key carries it (RFC 4055 §1.2): wrap the modulus in
 * a key with the parameters of the signature.
 */
function pssCheck({ hash, mgf1Hash, saltLength }: PssParameters, key: KeyObject): Check | null {
  const { hashAlgorithm = hash, mgf1HashAlgorithm = mgf1Hash, saltLength: least = 0 } = key.asymmetricKeyDetails ?? {};
  if (hashAlgorithm !== hash || mgf1HashAlgorithm !== mgf1Hash || saltLength < least) return null;
  if (!known.has(hash) || !known.has(mgf1Hash))
    throw new PkiError('unsupported-signature', `RSASSA-PSS signatures with ${hash} and ${mgf1Hash} cannot be checked`);
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return { hash, key: hash === mgf1Hash ? key : pssKey(key, { hash, mgf1Hash, saltLength }), ...padding };
}

function pssKey(key: KeyObject, { hash, mgf1Hash, saltLength }: PssParameters): KeyObject {
  const identifier = (name: string): Buffer => der.sequence(der.oid(HASH_OIDS.get(name) ?? ''), der.nullValue());
  const parameters = der.sequence(
    der.explicit(0, identifier(hash)),
    der.explicit(1, der.sequence(der.oid(MGF1), identifier(mgf1Hash))),
    der.explicit(2, der.integer(saltLength)),
  );
  const spki = DerReader.enter(spkiOf(key));
  spki.next();
  const pssSpki = der.sequence(der.sequence(der.oid(PSS), parameters), spki.raw(Tag.bitString));
  return createPublicKey({ key: pssSpki, format: 'der', type: 'spki' });
}

const HASH_OIDS = new Map([...HASHES].map(([oid, name]) => [name, oid]));
