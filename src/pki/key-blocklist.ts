import { hash } from 'node:crypto';
import { EC, readRsa, readSpki, RSA_NAMES } from './key-names.js';
import { orPkiError } from './pki-error.js';

const entryOctets = 16;
/** The last octet of an entry identifies the collection that the key is from. */
const hashOctets = 15;

/**
 * `blocklist.dat` of badkeys (format 0): sorted entries of 16 octets, each the first 120 bits of a SHA-256 hash and the
 * id of a collection. The hash covers the number that identifies the key: see `identifyingNumber`.
 */
export type KeyBlocklist = Buffer & { readonly kind: 'badkeys' };

/** Throws Error with the reason when the file is not a blocklist. */
export function readBlocklist(file: Buffer): KeyBlocklist {
  if (file.length === 0 || file.length % entryOctets !== 0)
    throw new Error('is not the blocklist.dat of badkeys: its size is not a multiple of 16');
  for (let at = entryOctets; at < file.length; at += entryOctets)
    if (file.compare(file, at - entryOctets, at - 1, at, at + hashOctets) < 0)
      throw new Error('is not the blocklist.dat of badkeys: its entries are not in order');
  return file as KeyBlocklist;
}

/** True for a key on the blocklist, in any encoding. Throws PkiError `malformed-key`. */
export function blocklistHolds(blocklist: KeyBlocklist, spkiDer: Buffer): boolean {
  const wanted = hash('sha256', identifyingNumber(spkiDer), 'buffer');
  let [from, to] = [0, blocklist.length / entryOctets];
  while (from < to) {
    const middle = (from + to) >> 1;
    const at = middle * entryOctets;
    const order = wanted.compare(blocklist, at, at + hashOctets, 0, hashOctets);
    if (order === 0) return true;
    if (order > 0) from = middle + 1;
    else to = middle;
  }
  return false;
}

/** The modulus of an RSA key, x of an EC key, the octets of any other public key; without leading zeros. */
function identifyingNumber(spkiDer: Buffer): Buffer {
  return orPkiError('malformed-key', 'The public key is not readable', () => {
    const { oid, publicKey } = readSpki(spkiDer);
    if (RSA_NAMES.has(oid)) return withoutZeros(readRsa(publicKey).modulus);
    if (oid !== EC) return withoutZeros(publicKey);
    // A point is a format octet, then x; y follows unless the point is compressed (SEC 1 §2.3.3).
    const isCompressed = publicKey[0] === 2 || publicKey[0] === 3;
    return withoutZeros(publicKey.subarray(1, isCompressed ? undefined : (publicKey.length + 1) / 2));
  });
}

function withoutZeros(number: Buffer): Buffer {
  const first = number.findIndex((octet) => octet !== 0);
  return first < 0 ? Buffer.alloc(0) : number.subarray(first);
}
