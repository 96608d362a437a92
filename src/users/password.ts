import { hash, verify, type Algorithm } from '@node-rs/argon2';
import { compare as bcryptCompare, hash as bcryptHash } from 'bcrypt';
import { z } from 'zod';

// The package exports a const enum, which does not exist at run time. 2 is Argon2id (RFC 9106).
const options = { algorithm: 2 as Algorithm.Argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

/** The cost factor of Lemur's hashes. */
const bcryptCost = 12;

const rules: readonly (readonly [RegExp, string])[] = [
  [/.{12}/su, 'must have at least 12 characters'],
  [/\p{Lu}/u, 'must contain an upper-case letter'],
  [/\p{Ll}/u, 'must contain a lower-case letter'],
  [/\p{Nd}/u, 'must contain a digit'],
  [/[!@#?\]]/, 'must contain one of ! @ # ? ]'],
];

/** The rules that a new password violates, as texts for an error; empty if the password is strong enough. */
export function weaknesses(password: string): readonly string[] {
  return rules.filter(([pattern]) => !pattern.test(password)).map(([, text]) => text);
}

/** A new password: 12 to 1024 characters of four kinds. */
export const NewPassword = z
  .string()
  .max(1024)
  .superRefine((password, context) => {
    for (const message of weaknesses(password)) context.addIssue({ code: 'custom', message });
  })
  .meta({ writeOnly: true });

/** Argon2id with 19 MiB and two passes (OWASP's recommendation) and a random salt, in PHC format. */
export function hashPassword(password: string): Promise<string> {
  return hash(password, options);
}

/** True for a hash that was imported from Lemur: bcrypt, which ignores all but the first 72 bytes of a password. */
export function isBcrypt(stored: string): boolean {
  return /^\$2[aby]\$\d\d\$[./0-9A-Za-z]{53}$/.test(stored);
}

let dummyArgon2: Promise<string> | undefined;
let dummyBcrypt: Promise<string> | undefined;

/**
 * True if the password matches `stored`. Without a hash it verifies a dummy, so that the response time does not reveal
 * which users exist. `checkBcrypt` verifies bcrypt for every user too, as long as some users have a hash from Lemur.
 * A malformed hash does not match.
 */
export async function passwordMatches(stored: string | null, password: string, checkBcrypt = false): Promise<boolean> {
  dummyArgon2 ??= hashPassword('');
  const imported = stored !== null && isBcrypt(stored);
  const [argon2, bcrypt] = await Promise.all([
    verify(stored === null || imported ? await dummyArgon2 : stored, password).catch(() => false),
    imported || checkBcrypt ? bcryptMatches(imported ? stored : null, password) : false,
  ]);
  return imported ? bcrypt : argon2 && stored !== null;
}

async function bcryptMatches(stored: string | null, password: string): Promise<boolean> {
  dummyBcrypt ??= bcryptHash('', bcryptCost);
  // PHP writes $2y for the same algorithm.
  const hash = (stored ?? (await dummyBcrypt)).replace(/^\$2y/, '$2b');
  return bcryptCompare(password, hash).catch(() => false);
}
