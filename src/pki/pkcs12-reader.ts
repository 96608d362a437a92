import { createDecipheriv, createHmac, createPrivateKey, type KeyObject, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { DerError, DerReader, Tag } from './der/reader.js';
import type { StoreContent } from './keystore.js';
import { toPem } from './pem.js';
import { PURPOSE, pkcs12Kdf } from './pkcs12-kdf.js';
import { PkiError } from './pki-error.js';

/** The content of a PFX: one private key, and its certificates as PEM in the order of the file. */
export interface OpenedPkcs12 {
  privateKey: KeyObject;
  certificatesPem: string[];
}

const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const KEY_BAG = '1.2.840.113549.1.12.10.1.1';
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2';
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const PBE_SHA1_3DES = '1.2.840.113549.1.12.1.3';
/** The file says how often to hash, for its MAC and for each part: the work that it can ask for is bounded. */
const MOST_ITERATIONS = 1_000_000;
const MOST_TOGETHER = 3 * MOST_ITERATIONS;
const MAC_DIGESTS: Readonly<Record<string, 'sha1' | 'sha256'>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
};
const PBKDF2_DIGESTS: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
const CIPHERS: Readonly<Record<string, { name: string; keyOctets: number }>> = {
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyOctets: 24 },
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyOctets: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyOctets: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyOctets: 32 },
};

const deriveKey = promisify(pbkdf2);

/** How many iterations of key derivation are left. Opening files takes from it. */
export interface Effort {
  left: number;
}

interface Unlocking {
  password: string;
  effort: Effort;
}

/**
 * Opens a PFX (RFC 7292) that is protected by a password: AES or 3DES, with a MAC by SHA-1 or SHA-256. Throws PkiError
 * `malformed-key`, whose text reveals nothing of the content.
 */
export async function readPkcs12(pfxDer: Buffer, password: string): Promise<OpenedPkcs12> {
  const {
    privateKeys: [privateKey, ...others],
    certificatesPem,
  } = await openPkcs12(pfxDer, password);
  if (privateKey && others.length === 0) return { privateKey, certificatesPem };
  const count = privateKey ? others.length + 1 : 0;
  throw new PkiError('malformed-key', `The PKCS#12 file holds ${count} private keys; one is needed`);
}

/** Like `readPkcs12`, for a PFX with any number of private keys. `effort` may be that of several files. */
export async function openPkcs12(
  pfxDer: Buffer,
  password: string,
  effort: Effort = { left: MOST_TOGETHER },
): Promise<StoreContent> {
  const unlocking = { password, effort };
  try {
    const found: StoreContent = { privateKeys: [], certificatesPem: [] };
    const pfx = DerReader.enter(pfxDer, Tag.sequence, 'ber');
    if (pfx.smallInteger() !== 3) throw new DerError('Unknown version');
    const safe = dataOf(pfx.enter());
    if (pfx.more) await checkMac(pfx.enter(), safe, unlocking);
    for (const contents = DerReader.enter(safe, Tag.sequence, 'ber'); contents.more;)
      await readBags(await plainOf(contents.enter(), unlocking), unlocking, found);
    return found;
  } catch (error) {
    if (error instanceof PkiError) throw error;
    throw new PkiError('malformed-key', 'The PKCS#12 file is not readable, or the passphrase does not open it');
  }
}

/** The content of a ContentInfo of type data. */
function dataOf(info: DerReader): Buffer {
  if (info.oid() !== DATA) throw new DerError('Not plain data');
  return info.enter(0xa0).octetString();
}

async function checkMac(macData: DerReader, safe: Buffer, { password, effort }: Unlocking): Promise<void> {
  const digestInfo = macData.enter();
  const digest = MAC_DIGESTS[digestInfo.enter().oid()];
  const expected = digestInfo.octetString();
  const salt = macData.octetString();
  const iterations = macData.more ? iterationsOf(macData, effort) : 1;
  if (!digest) throw new PkiError('malformed-key', 'The MAC of the PKCS#12 file is of a kind that is not read here');
  const key = await pkcs12Kdf(PURPOSE.mac, { digest, password, salt, iterations }, digest === 'sha1' ? 20 : 32);
  const mac = createHmac(digest, key).update(safe).digest();
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected))
    throw new PkiError('malformed-key', 'The passphrase does not open the PKCS#12 file');
}

async function plainOf(info: DerReader, unlocking: Unlocking): Promise<Buffer> {
  const copy = info.copy();
  if (info.oid() !== ENCRYPTED_DATA) return dataOf(copy);
  const encrypted = info.enter(0xa0).enter();
  encrypted.smallInteger();
  const content = encrypted.enter();
  content.oid();
  const algorithm = content.enter();
  return decrypt(algorithm, content.octets(0x80), unlocking);
}

async function readBags(bagsDer: Buffer, unlocking: Unlocking, found: StoreContent): Promise<void> {
  for (const bags = DerReader.enter(bagsDer, Tag.sequence, 'ber'); bags.more;) {
    const bag = bags.enter();
    const type = bag.oid();
    const value = bag.enter(0xa0);
    if (type === KEY_BAG) found.privateKeys.push(keyOf(value.raw(Tag.sequence)));
    if (type === SHROUDED_KEY_BAG) {
      const shrouded = value.enter();
      const algorithm = shrouded.enter();
      found.privateKeys.push(keyOf(await decrypt(algorithm, shrouded.octetString(), unlocking)));
    }
    if (type !== CERTIFICATE_BAG) continue;
    const certificate = value.enter();
    if (certificate.oid() === X509_CERTIFICATE)
      found.certificatesPem.push(toPem('CERTIFICATE', certificate.enter(0xa0).octetString()));
  }
}

function keyOf(pkcs8Der: Buffer): KeyObject {
  return createPrivateKey({ key: pkcs8Der, format: 'der', type: 'pkcs8' });
}

async function decrypt(algorithm: DerReader, ciphertext: Buffer, unlocking: Unlocking): Promise<Buffer> {
  const oid = algorithm.oid();
  if (oid === PBES2) return decryptPbes2(algorithm.enter(), ciphertext, unlocking);
  if (oid !== PBE_SHA1_3DES)
    throw new PkiError('malformed-key', 'The PKCS#12 file uses an old cipher; write it anew with AES or 3DES');
  const parameters = algorithm.enter();
  const secret = {
    digest: 'sha1' as const,
    password: unlocking.password,
    salt: parameters.octetString(),
    iterations: iterationsOf(parameters, unlocking.effort),
  };
  const key = await pkcs12Kdf(PURPOSE.key, secret, 24);
  return deciphered('des-ede3-cbc', key, await pkcs12Kdf(PURPOSE.iv, secret, 8), ciphertext);
}

/** RFC 8018 §6.2. */
async function decryptPbes2(
  parameters: DerReader,
  ciphertext: Buffer,
  { password, effort }: Unlocking,
): Promise<Buffer> {
  const derivation = parameters.enter();
  if (derivation.oid() !== PBKDF2) throw unknownScheme();
  const [salt, iterations, prf] = readPbkdf2(derivation.enter(), effort);
  const encryption = parameters.enter();
  const cipher = CIPHERS[encryption.oid()];
  const digest = PBKDF2_DIGESTS[prf];
  if (!cipher || digest === undefined) throw unknownScheme();
  const key = await deriveKey(password, salt, iterations, cipher.keyOctets, digest);
  return deciphered(cipher.name, key, encryption.octetString(), ciphertext);
}

function readPbkdf2(parameters: DerReader, effort: Effort): [salt: Buffer, iterations: number, prf: string] {
  const salt = parameters.octetString();
  const iterations = iterationsOf(parameters, effort);
  if (parameters.peek() === Tag.integer) parameters.smallInteger();
  return [salt, iterations, parameters.more ? parameters.enter().oid() : '1.2.840.113549.2.7'];
}

function iterationsOf(reader: DerReader, effort: Effort): number {
  const iterations = reader.smallInteger();
  if (iterations < 1 || iterations > MOST_ITERATIONS)
    throw new PkiError('malformed-key', `The PKCS#12 file asks for more than ${MOST_ITERATIONS} iterations`);
  effort.left -= iterations;
  if (effort.left < 0) throw new PkiError('malformed-key', 'The PKCS#12 file asks for too many iterations in all');
  return iterations;
}

function deciphered(cipher: string, key: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
  const decipher = createDecipheriv(cipher, key, iv);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

function unknownScheme(): PkiError {
  return new PkiError('malformed-key', 'The PKCS#12 file is encrypted in a way that is not read here');
}
