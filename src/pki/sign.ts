import {
  constants,
  type KeyObject,
  sign as cryptoSign,
  verify as cryptoVerify,
  type VerifyKeyObjectInput,
} from 'node:crypto';
import type { Signer } from '../plugin-api/plugin.js';
import { DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import { spkiOf } from './key.js';
import { orPkiError, PkiError } from './pki-error.js';

/**
 * How something is signed: `hash` as `Signer.sign` takes it, and the AlgorithmIdentifier to write beside the signature.
 */
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
 * The one algorithm used with a key: a hash as strong as the curve, SHA-256 for RSA (PKCS#1 v1.5). Throws PkiError
 * `unsupported-key`.
 */
export function signatureAlgorithmOf({
  keyType,
  namedCurve,
}: Pick<Signer, 'keyType' | 'namedCurve'>): SignatureAlgorithm {
  if (keyType === 'ed25519') return ed25519;
  if (keyType === 'rsa') return rsaSha256;
  const algorithm = BY_CURVE[namedCurve ?? ''];
  if (!algorithm) throw new PkiError('unsupported-key', `Keys on the curve ${namedCurve ?? '(none)'} do not sign here`);
  return algorithm;
}

/** A Signer over a key held in this process; it signs outside the event loop. Throws PkiError `unsupported-key`. */
export function signerOf(privateKey: KeyObject): Signer {
  const keyType = privateKey.asymmetricKeyType;
  if (keyType !== 'ec' && keyType !== 'rsa' && keyType !== 'ed25519') {
    throw new PkiError('unsupported-key', `Keys of type ${keyType ?? '(none)'} do not sign here`);
  }
  return {
    keyType,
    namedCurve: privateKey.asymmetricKeyDetails?.namedCurve,
    spkiDer: spkiOf(privateKey),
    sign: (hash, data) =>
      new Promise((resolve, reject) => {
        cryptoSign(hash, data, privateKey, (error, signature) => (error ? reject(error) : resolve(signature)));
      }),
  };
}

interface Scheme {
  name: string;
  hash: string | null;
  keyTypes: readonly string[];
}
const scheme = (hash: string, keyType: string): Scheme => ({ name: hash, hash, keyTypes: [keyType] });

const PSS = '1.2.840.113549.1.1.10';
const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['1.2.840.113549.1.1.5', scheme('sha1', 'rsa')],
  ['1.2.840.113549.1.1.14', scheme('sha224', 'rsa')],
  ['1.2.840.113549.1.1.11', scheme('sha256', 'rsa')],
  ['1.2.840.113549.1.1.12', scheme('sha384', 'rsa')],
  ['1.2.840.113549.1.1.13', scheme('sha512', 'rsa')],
  ['1.2.840.10045.4.1', scheme('sha1', 'ec')],
  ['1.2.840.10045.4.3.1', scheme('sha224', 'ec')],
  ['1.2.840.10045.4.3.2', scheme('sha256', 'ec')],
  ['1.2.840.10045.4.3.3', scheme('sha384', 'ec')],
  ['1.2.840.10045.4.3.4', scheme('sha512', 'ec')],
  ['1.3.101.112', { name: 'ed25519', hash: null, keyTypes: ['ed25519'] }],
  ['1.3.101.113', { name: 'ed448', hash: null, keyTypes: ['ed448'] }],
]);

const HASHES: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

/**
 * The hash (`sha256`), or the scheme without one (`ed25519`), of an AlgorithmIdentifier; the OID when it is not known.
 * Throws DerError.
 */
export function signatureAlgorithmName(algorithmDer: Buffer): string {
  const oid = DerReader.enter(algorithmDer).oid();
  return SCHEMES.get(oid)?.name ?? (oid === PSS ? readPss(algorithmDer).hash : oid);
}

/** RFC 4055 §3.1; the mask function's hash is not read, because verification demands the same one. Throws DerError. */
function readPss(algorithmDer: Buffer): { hash: string; saltLength: number } {
  const algorithm = DerReader.enter(algorithmDer);
  algorithm.oid();
  const parameters = algorithm.enterIf(Tag.sequence);
  const hashOid = parameters?.enterIf(0xa0)?.enter().oid();
  parameters?.enterIf(0xa1);
  const saltLength = parameters?.enterIf(0xa2)?.smallInteger() ?? 20;
  return { hash: hashOid === undefined ? 'sha1' : (HASHES.get(hashOid) ?? hashOid), saltLength };
}

/** What `algorithmDer` says was done to `data`, and with whose key. */
export interface SignedData {
  algorithmDer: Buffer;
  data: Buffer;
  signature: Buffer;
}

/**
 * Whether the signature is good. An algorithm that does not fit the key is a bad signature.
 * Throws PkiError `unsupported-signature` for an algorithm that is not known.
 */
export async function verifySignature({ algorithmDer, data, signature }: SignedData, key: KeyObject): Promise<boolean> {
  const { hash, keyTypes, options } = orPkiError(
    'unsupported-signature',
    'The signature algorithm is not readable',
    () => schemeOf(algorithmDer),
  );
  if (!keyTypes.includes(key.asymmetricKeyType ?? '')) return false;
  // A signature of P-256 is verified sooner than a thread is woken; others take up to a hundred times as long.
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
    return cryptoVerify(hash, data, { key, ...options }, signature);
  return new Promise((resolve) => {
    cryptoVerify(hash, data, { key, ...options }, signature, (error, good) => resolve(!error && good));
  });
}

type VerifyOptions = Omit<VerifyKeyObjectInput, 'key'>;

function schemeOf(algorithmDer: Buffer): { hash: string | null; keyTypes: readonly string[]; options?: VerifyOptions } {
  const oid = DerReader.enter(algorithmDer).oid();
  const known = SCHEMES.get(oid);
  if (known) return known;
  if (oid !== PSS) throw new PkiError('unsupported-signature', `Signatures of algorithm ${oid} cannot be checked`);
  const { hash, saltLength } = readPss(algorithmDer);
  return { hash, keyTypes: ['rsa', 'rsa-pss'], options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength } };
}
