import { createHash, randomBytes } from 'node:crypto';
import { DerError, DerReader, Tag } from './der/reader.js';
import { nullValue, oid, sequence } from './der/writer.js';
import { KeyEntry, TrustEntry, utf16be, withJavaAliases } from './keystore.js';
import { encryptedPrivateKeyInfo } from './pkcs8.js';

/** The first four octets of a file. */
export const MAGIC = 0xfeedfeed;
const VERSION = 2;
export const KEY_ENTRY = 1;
export const TRUST_ENTRY = 2;
const SUN_KEY_PROTECTOR = '1.3.6.1.4.1.42.2.17.1.1';
const INTEGRITY_PEPPER = 'Mighty Aphrodite';
const SHA1_OCTETS = 20;

/**
 * A Java KeyStore file (Sun's format, version 2). The store password also protects every key (printable ASCII). The
 * format relies on SHA-1: prefer PKCS#12 where the reader supports it. Throws RangeError when two aliases differ in
 * case only.
 */
export function writeJks(entries: readonly (KeyEntry | TrustEntry)[], password: string, createdAt: Date): Buffer {
  const passwordOctets = utf16be(password);
  const body = Buffer.concat([
    uint32(MAGIC),
    uint32(VERSION),
    uint32(entries.length),
    ...withJavaAliases(entries).map((entry) => encodeEntry(entry, passwordOctets, createdAt)),
  ]);
  return Buffer.concat([body, sha1(passwordOctets, Buffer.from(INTEGRITY_PEPPER), body)]);
}

function encodeEntry(entry: KeyEntry | TrustEntry, password: Buffer, createdAt: Date): Buffer {
  const head = Buffer.concat([text(entry.alias), uint64(createdAt.getTime())]);
  return 'pkcs8Der' in entry
    ? Buffer.concat([
        uint32(KEY_ENTRY),
        head,
        counted(protectKey(entry.pkcs8Der, password)),
        uint32(entry.chainDer.length),
        ...entry.chainDer.map(certificate),
      ])
    : Buffer.concat([uint32(TRUST_ENTRY), head, certificate(entry.certificateDer)]);
}

/** Sun's key protector: XOR with a chain of SHA-1 values from a random salt, then a checksum over the plain key. */
function protectKey(pkcs8Der: Buffer, password: Buffer): Buffer {
  const salt = randomBytes(SHA1_OCTETS);
  return encryptedPrivateKeyInfo({
    algorithm: sequence(oid(SUN_KEY_PROTECTOR), nullValue()),
    ciphertext: Buffer.concat([salt, masked(pkcs8Der, password, salt), sha1(password, pkcs8Der)]),
  });
}

/**
 * The key in what `protectKey` has made of it; null when the password is another one. Throws DerError for an unknown
 * protection.
 */
export function unprotectedKey(protectedDer: Buffer, password: string): Buffer | null {
  const info = DerReader.enter(protectedDer, Tag.sequence, 'ber');
  if (info.enter().oid() !== SUN_KEY_PROTECTOR) throw new DerError('Unknown protection of a key');
  const sealed = info.octetString();
  const [passwordOctets, checkAt] = [utf16be(password), sealed.length - SHA1_OCTETS];
  const pkcs8Der = masked(sealed.subarray(SHA1_OCTETS, checkAt), passwordOctets, sealed.subarray(0, SHA1_OCTETS));
  return sha1(passwordOctets, pkcs8Der).equals(sealed.subarray(checkAt)) ? pkcs8Der : null;
}

/** Its own inverse. */
function masked(octets: Buffer, password: Buffer, salt: Buffer): Buffer {
  const result = Buffer.from(octets);
  let mask = salt;
  for (let at = 0; at < result.length; at++) {
    if (at % SHA1_OCTETS === 0) mask = sha1(password, mask);
    result.writeUInt8(result.readUInt8(at) ^ mask.readUInt8(at % SHA1_OCTETS), at);
  }
  return result;
}

function certificate(der: Buffer): Buffer {
  return Buffer.concat([text('X.509'), counted(der)]);
}

function counted(octets: Buffer): Buffer {
  return Buffer.concat([uint32(octets.length), octets]);
}

/** Java's `DataOutput.writeUTF`: each UTF-16 unit in one to three octets, NUL in two. */
function text(value: string): Buffer {
  const octets = Buffer.from(
    Array.from({ length: value.length }, (_, at) => value.charCodeAt(at)).flatMap((unit) =>
      unit > 0 && unit < 0x80
        ? [unit]
        : unit < 0x800
          ? [0xc0 | (unit >> 6), 0x80 | (unit & 0x3f)]
          : [0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)],
    ),
  );
  const length = Buffer.alloc(2);
  length.writeUInt16BE(octets.length);
  return Buffer.concat([length, octets]);
}

function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

function uint64(value: number): Buffer {
  const octets = Buffer.alloc(8);
  octets.writeBigUInt64BE(BigInt(value));
  return octets;
}

function sha1(...parts: Buffer[]): Buffer {
  return createHash('sha1').update(Buffer.concat(parts)).digest();
}
