import { hash } from 'node:crypto';
import { blocklistHolds, type KeyBlocklist } from './key-blocklist.js';
import { rsaNumbersOf, spkiHash } from './key.js';

/** Known bad keys, as `parseKeyList` reads them. */
export type KeyList = ReadonlySet<string>;

/** Keys whose private half is public knowledge. */
export interface KnownKeys {
  listed: KeyList;
  blocklist: KeyBlocklist | null;
}

const noneKnown: KnownKeys = { listed: new Set(), blocklist: null };

/**
 * Why the private key can be computed from this public key or is known, or null. Takes milliseconds for RSA. Throws
 * PkiError `malformed-key`.
 */
export function keyWeakness(spkiDer: Buffer, { listed, blocklist }: KnownKeys = noneKnown): string | null {
  if (listed.has(spkiHash(spkiDer))) return 'The key is on the list of known bad keys';
  if (blocklist && blocklistHolds(blocklist, spkiDer))
    return 'The private key is public knowledge: it is on the blocklist of badkeys';
  const numbers = rsaNumbersOf(spkiDer);
  if (numbers === null) return null;
  const modulus = BigInt(`0x${numbers.modulus.toString('hex') || '0'}`);
  if (listed.has(debianFingerprint(modulus))) return 'The key is on the list of known bad keys';
  if (modulus < 4n || hasSmallFactor(modulus)) return 'The RSA modulus has a small prime factor';
  if (isOfClosePrimes(modulus)) return 'The two primes of the RSA key are so close that it can be factored (Fermat)';
  if (isRoca(modulus)) return 'The RSA key was made by a defective library and can be factored (ROCA, CVE-2017-15361)';
  return null;
}

const SHA256 = /^[0-9a-f]{64}$/;
const DEBIAN = /^[0-9a-f]{20}$/;

/**
 * Parses a list of keys, one per line: SHA-256 of the SubjectPublicKeyInfo (64 hex digits), or an RSA key as in
 * Debian's openssl-blacklist (20 hex digits). Skips empty lines and lines that start with #. Throws Error that names
 * the first invalid line.
 */
export function parseKeyList(text: string): KeyList {
  const keys = new Set<string>();
  for (const [i, line] of text.split('\n').entries()) {
    const entry = line.trim().toLowerCase();
    if (entry === '' || entry.startsWith('#')) continue;
    if (!SHA256.test(entry) && !DEBIAN.test(entry))
      throw new Error(
        `line ${i + 1} is neither a SHA-256 of a public key (64 hex digits) nor a key of openssl-blacklist (20)`,
      );
    keys.add(entry);
  }
  return keys;
}

/** The fingerprint of `openssl-vulnkey`: the last 80 bits of SHA-1 over the output of `openssl rsa -noout -modulus`. */
function debianFingerprint(modulus: bigint): string {
  return hash('sha1', `Modulus=${modulus.toString(16).toUpperCase()}\n`, 'hex').slice(20);
}

const LARGEST_SMALL_PRIME = 65_537;
let product: bigint | undefined;

function hasSmallFactor(modulus: bigint): boolean {
  product ??= productOf(primesUpTo(LARGEST_SMALL_PRIME));
  return gcd(modulus, product % modulus) !== 1n;
}

function primesUpTo(most: number): number[] {
  const isComposite = new Uint8Array(most + 1);
  const primes: number[] = [];
  for (let n = 2; n <= most; n++) {
    if (isComposite[n] === 1) continue;
    primes.push(n);
    for (let multiple = n * n; multiple <= most; multiple += n) isComposite[multiple] = 1;
  }
  return primes;
}

function productOf(numbers: readonly number[]): bigint {
  if (numbers.length < 16) return numbers.reduce((whole, n) => whole * BigInt(n), 1n);
  const middle = numbers.length >> 1;
  return productOf(numbers.slice(0, middle)) * productOf(numbers.slice(middle));
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** The number that the Baseline Requirements demand (§6.1.1.3). */
const FERMAT_ROUNDS = 100;

function isOfClosePrimes(modulus: bigint): boolean {
  let a = squareRoot(modulus);
  if (a * a < modulus) a += 1n;
  for (let round = 0, rest = a * a - modulus; round < FERMAT_ROUNDS; round++) {
    if (isSquare(rest)) return true;
    rest += 2n * a + 1n;
    a += 1n;
  }
  return false;
}

/** Only 12 of the 64 residues modulo 64 are squares. */
const SQUARES_MODULO_64 = new Set(Array.from({ length: 64 }, (_, i) => (i * i) % 64));

function isSquare(n: bigint): boolean {
  if (!SQUARES_MODULO_64.has(Number(n & 63n))) return false;
  const root = squareRoot(n);
  return root * root === n;
}

/** The integer part of the square root, by Newton's method. */
function squareRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let root = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** These primes divide the constant of the defective library for every key size. */
const ROCA_PRIMES = primesUpTo(167);
const ROCA_GENERATOR = 65_537;
const ROCA_RESTS: readonly (readonly [bigint, ReadonlySet<number>])[] = ROCA_PRIMES.map((prime) => {
  const rests = new Set<number>();
  for (let power = 1 % prime; !rests.has(power); power = (power * ROCA_GENERATOR) % prime) rests.add(power);
  return [BigInt(prime), rests];
});

/**
 * The library's primes are k·M + (65537^a mod M), so modulo each prime of M the modulus is a power of 65537 (Nemec et
 * al., 2017). Fewer than one in 100 million sound keys match.
 */
function isRoca(modulus: bigint): boolean {
  return ROCA_RESTS.every(([prime, rests]) => rests.has(Number(modulus % prime)));
}
