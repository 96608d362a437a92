import { isUtf8 } from 'node:buffer';
import { fieldOf, normalizeInput } from './input.js';
import { invalid, Problem } from './problem.js';
import { repeatedMember } from './repeated-member.js';

/** A body that `objectOf` refuses, and why. */
class Unreadable {
  constructor(readonly problem: Problem) {}
}

/**
 * Parses a JSON body. Invalid JSON, another encoding than UTF-8 (RFC 8259 §8.1) and a member that an object has twice
 * become a marker that `objectOf` refuses, so that missing credentials are reported before an invalid body.
 */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  if (!isUtf8(body)) return new Unreadable(new Problem('malformed-body', 'The body is not encoded in UTF-8.'));
  const text = body.toString('utf8');
  try {
    const parsed = JSON.parse(text) as unknown;
    const twice = repeatedMember(text, parsed);
    return twice ? new Unreadable(invalid(fieldOf(twice), 'Given twice')) : parsed;
  } catch {
    return new Unreadable(new Problem('malformed-body', 'The body is not valid JSON.'));
  }
}

/**
 * The object in a body, with keys in camelCase; undefined when nothing was sent. Throws `malformed-body` for anything
 * but an object, and `invalid-request` for a member that is given twice.
 */
export function objectOf(body: unknown): unknown {
  if (body === undefined) return undefined;
  if (body instanceof Unreadable) throw body.problem;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Problem('malformed-body', 'The body must be a JSON object.');
  return normalizeInput(body);
}
