import { hash, verify, type Algorithm } from '@node-rs/argon2';
import { z } from 'zod';

// The package declares a const enum, which has no value at run time: 2 is Argon2id (RFC 9106).
const options = { algorithm: 2 as Algorithm.Argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

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
export const NewPassword = z.string().max(1024).superRefine((password, context) => {
  for (const message of weaknesses(password)) context.addIssue({ code: 'custom', message });
});

/** Argon2id, 19 MiB, two passes (OWASP's first choice), in PHC form with its own random salt. */
export function hashPassword(password: string): Promise<string> {
  return hash(password, options);
}

let nobody: Promise<string> | undefined;

/** True when the password fits. Without a hash the same work is done in vain, so that the time taken tells nothing. */
export async function passwordMatches(stored: string | null, password: string): Promise<boolean> {
  nobody ??= hashPassword('');
  const fits = await verify(stored ?? (await nobody), password);
  return fits && stored !== null;
}
