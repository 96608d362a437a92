import { invalid } from './problem.js';

const deepest = 32;
/** More than any request needs: lists of names and ids have far lower bounds. */
const mostValues = 20_000;

interface Place {
  path: readonly string[];
  rename: boolean;
  /** How many values have been read so far, of all places. */
  counted: { values: number };
}

/**
 * A copy of parsed JSON or a parsed query with its keys in camelCase, so that `not_after` and `notAfter` are the same
 * field. Keys below `options` belong to a plugin and stay as they are. Throws `invalid-request` that names the field
 * for: text with a NUL character (Postgres stores none), the key `__proto__`, a field given in both spellings, nesting
 * deeper than 32, more than 20,000 values.
 */
export function normalizeInput(value: unknown): unknown {
  return normalize(value, { path: [], rename: true, counted: { values: 0 } });
}

function normalize(value: unknown, place: Place): unknown {
  // Count the members before reading any of them.
  place.counted.values += typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
  if (place.counted.values > mostValues) throw invalid('body', `Holds more than ${mostValues} values`);
  if (typeof value === 'string') return storable(value, place);
  if (typeof value !== 'object' || value === null) return value;
  if (place.path.length >= deepest)
    throw invalid(fieldOf(place.path.slice(0, 3)), `Nested deeper than ${deepest} levels`);
  if (Array.isArray(value))
    return value.map((entry, i) => normalize(entry, { ...place, path: [...place.path, String(i)] }));
  return normalizeObject(value, place);
}

function normalizeObject(value: object, { path, rename, counted }: Place): unknown {
  const copy: Record<string, unknown> = {};
  for (const [given, entry] of Object.entries(value)) {
    const key = rename ? camelCase(given) : given;
    const inside = [...path, key];
    if (key === '__proto__' || key.includes('\0') || halfPair.test(key))
      throw invalid(fieldOf(path), 'A field has a name that is not allowed');
    if (Object.hasOwn(copy, key)) throw invalid(fieldOf(inside), 'Given twice');
    copy[key] = normalize(entry, { path: inside, rename: rename && key !== 'options', counted });
  }
  return copy;
}

/** With `u`, a whole pair is one character. */
const halfPair = /\p{Surrogate}/u;

function storable(text: string, { path }: Place): string {
  if (text.includes('\0')) throw invalid(fieldOf(path), 'Must not contain a NUL character');
  if (halfPair.test(text)) throw invalid(fieldOf(path), 'Must not contain half of a surrogate pair');
  return text;
}

/** Members whose camelCase form has capitals that snake_case does not show: `use_crl_sign`. */
const spelledOut: Readonly<Record<string, string>> = {
  includeSki: 'includeSKI',
  includeAia: 'includeAIA',
  useCrlSign: 'useCRLSign',
  useOcspSigning: 'useOCSPSigning',
  useEapOverLan: 'useEapOverLAN',
  useEapOverPpp: 'useEapOverPPP',
};

/** `not_after` → `notAfter`; a name that begins with two underscores is unchanged. */
export function camelCase(key: string): string {
  if (key.startsWith('__')) return key;
  const camel = key.replace(/(?<=[A-Za-z0-9])_([a-z0-9])/g, (_, next: string) => next.toUpperCase());
  return camel !== key && Object.hasOwn(spelledOut, camel) ? (spelledOut[camel] ?? camel) : camel;
}

/** How `reasons` names a place: `names.0.value`; the document itself is `body`. */
export function fieldOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? 'body' : path.map(String).join('.');
}
