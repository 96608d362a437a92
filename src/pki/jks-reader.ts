import { createPrivateKey, type KeyObject } from 'node:crypto';
import { DerError } from './der/reader.js';
import { KEY_ENTRY, MAGIC, TRUST_ENTRY, unprotectedKey } from './jks.js';
import type { StoreContent } from './keystore.js';
import { toPem } from './pem.js';
import { PkiError } from './pki-error.js';

/** JCEKS, which has the same structure and another protection of keys. */
const JCEKS_MAGIC = 0xcececece;

/** True for a file of Java's own formats JKS and JCEKS. A file named .jks can be PKCS#12, too. */
export function isJks(octets: Buffer): boolean {
  return octets.length > 12 && [MAGIC, JCEKS_MAGIC].includes(octets.readUInt32BE(0));
}

/**
 * The certificates of a Java KeyStore (JKS or JCEKS), which no password protects, and the private keys that one of
 * `passwords` opens. Does not check the integrity of the file. Throws PkiError `malformed-key`.
 */
export function readJks(octets: Buffer, passwords: readonly string[]): StoreContent {
  try {
    const file = new Octets(octets);
    const [, version, entries] = [file.uint32(), file.uint32(), file.uint32()];
    const content: Entries = { certificatesPem: [], sealedKeys: [] };
    for (let left = entries; left > 0; left -= 1) readEntry(file, version, content);
    const privateKeys = content.sealedKeys.flatMap((one) => openedKey(one, passwords));
    return { certificatesPem: content.certificatesPem, privateKeys };
  } catch (error) {
    if (!(error instanceof RangeError) && !(error instanceof DerError)) throw error;
    throw new PkiError('malformed-key', 'The key store is not readable', { cause: error });
  }
}

/** What the entries so far hold; the keys as they are protected. */
interface Entries {
  certificatesPem: string[];
  sealedKeys: Buffer[];
}

/** Adds one entry of the file to `content`. Version 1 does not name the type of a certificate. */
function readEntry(file: Octets, version: number, { certificatesPem, sealedKeys }: Entries): void {
  const kind = file.uint32();
  file.text();
  file.take(8);
  if (kind !== KEY_ENTRY && kind !== TRUST_ENTRY) throw new DerError('A secret key, whose length is unknown');
  if (kind === KEY_ENTRY) sealedKeys.push(file.counted());
  for (let left = kind === KEY_ENTRY ? file.uint32() : 1; left > 0; left -= 1) {
    if (version === 2) file.text();
    certificatesPem.push(toPem('CERTIFICATE', file.counted()));
  }
}

function openedKey(sealed: Buffer, passwords: readonly string[]): KeyObject[] {
  for (const password of passwords) {
    try {
      const key = unprotectedKey(sealed, password);
      if (key) return [createPrivateKey({ key, format: 'der', type: 'pkcs8' })];
    } catch {
      // A key of another kind or protection: the certificates are read all the same.
      return [];
    }
  }
  return [];
}

/** Reads from the front. Throws RangeError at the end. */
class Octets {
  private at = 0;

  constructor(private readonly octets: Buffer) {}

  uint32(): number {
    return this.take(4).readUInt32BE(0);
  }

  /** Java's `DataOutput.writeUTF`. */
  text(): Buffer {
    return this.take(this.take(2).readUInt16BE(0));
  }

  counted(): Buffer {
    return this.take(this.uint32());
  }

  take(length: number): Buffer {
    if (this.at + length > this.octets.length) throw new RangeError('The file ends too early');
    this.at += length;
    return this.octets.subarray(this.at - length, this.at);
  }
}
