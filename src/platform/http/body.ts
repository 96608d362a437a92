import { normalizeInput } from './input.js';
import { Problem } from './problem.js';

const unreadable = Symbol('unreadable');

/**
 * Parses a JSON body. Invalid JSON becomes a marker that `objectOf` refuses, so that missing credentials are reported
 * before an invalid body.
 */
export function parseJson(text: Buffer): unknown {
  if (text.length === 0) return undefined;
  try {
    return JSON.parse(text.toString('utf8')) as unknown;
  } catch {
    return unreadable;
  }
}

/**
 * The object in a body, with keys in camelCase; undefined when nothing was sent. Throws `malformed-body` for anything
 * but an object.
 */
export function objectOf(body: unknown): unknown {
  if (body === undefined) return undefined;
  if (body === unreadable) throw new Problem('malformed-body', 'The body is not valid JSON.');
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Problem('malformed-body', 'The body must be a JSON object.');
  return normalizeInput(body);
}
