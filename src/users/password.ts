import { hash, verify, type Algorithm } from '@node-rs/argon2';
import { compare as bcryptCompare, hash as bcryptHash } from 'bcrypt';
import { z } from 'zod';

// The package declares a const enum, which has no value at run time: 2 is Argon2id (RFC 9106).
const options = { algorithm: 2 as Algorithm.Argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

/** The cost of the hashes that Lemur makes. */
const bcryptCost = 12;

const rules: readonly (readonly [RegExp, string])[] = [
  [/.{12}/su, 'must have at least 12 characters'],
  [/\p{Lu}/u, 'must contain an upper-case letter'],
  [/\p{Ll}/u, 'must contain a lower-case letter'],
  [/\p{Nd}/u, 'must contain a digit'],
  [/[!@#?\]]/, 'must contain one of ! @ # ? ]'],
];

/** What a new password lacks, one text per rule; empty when it is strong enough. */
export function weaknesses(password: string): readonly string[] {
  return rules.filter(([pattern]) => !pattern.test(password)).map(([, text]) => text);
}

/** A password that is being set: at least 12 characters of four kinds, at most 1024. */
export const NewPassword = z
  .string()
  .max(1024)
  .superRefine((password, context) => {
    for (const message of weaknesses(password)) context.addIssue({ code: 'custom', message });
  })
  .meta({ writeOnly: true });

/** Argon2id, 19 MiB, two passes (OWASP's first choice), in PHC form with its own random salt. */
export function hashPassword(password: string): Promise<string> {
  return hash(password, options);
}

/** True for a hash that was carried over from Lemur: bcrypt, which counts no more than 72 bytes of a password. */
export function isBcrypt(stored: string): boolean {
  return /^\$2[aby]\$\d\d\$[./0-9A-Za-z]{53}$/.test(stored);
}

let nobody: Promise<string> | undefined;
let nobodyInLemur: Promise<string> | undefined;

/**
 * True when the password fits. Without a hash the same work is done in vain, so that the time taken tells nothing;
 * while some users still have hashes of Lemur's, `amongBcrypt` has both kinds of work done for everyone. Never throws
 * because of a hash.
 */
export async function passwordMatches(stored: string | null, password: string, amongBcrypt = false): Promise<boolean> {
  nobody ??= hashPassword('');
  const carriedOver = stored !== null && isBcrypt(stored);
  const [argon2, bcrypt] = await Promise.all([
    verify(stored === null || carriedOver ? await nobody : stored, password).catch(() => false),
    carriedOver || amongBcrypt ? bcryptMatches(carriedOver ? stored : null, password) : false,
  ]);
  return carriedOver ? bcrypt : argon2 && stored !== null;
}

async function bcryptMatches(stored: string | null, password: string): Promise<boolean> {
  nobodyInLemur ??= bcryptHash('', bcryptCost);
  // PHP's name for the same algorithm.
  const hash = (stored ?? (await nobodyInLemur)).replace(/^\$2y/, '$2b');
  return bcryptCompare(password, hash).catch(() => false);
}
