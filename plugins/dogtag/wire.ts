import { PluginError } from '../../src/plugin-api/errors.js';

/**
 * What a CA sends, whatever its version: Dogtag 10 writes nulls, decimal ids and times as text where Dogtag 11 leaves
 * members out, writes hex and numbers; the same member begins with a capital letter in one object and not in another.
 */
export type Wire = Readonly<Record<string, unknown>>;

/**
 * JSON in which integers of more than fifteen digits are texts: a nonce has 64 bits, and a number of JavaScript 53.
 * Throws PluginError `unavailable` for what is no JSON object.
 */
export function parseExactly(json: string): Wire {
  // A string literal is passed over as a whole, so that no digits within one count as a number.
  const exact = json.replaceAll(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  try {
    const parsed: unknown = JSON.parse(exact);
    if (Array.isArray(parsed)) return { entries: parsed };
    if (typeof parsed === 'object' && parsed !== null) return parsed as Wire;
  } catch {
    // Below.
  }
  throw new PluginError('unavailable', 'The CA answered with something that is no JSON.');
}

/** The text of the first of these members that has one. */
export function textOf(wire: Wire | undefined, ...names: string[]): string | undefined {
  const value = memberOf(wire, names);
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

export function objectOf(wire: Wire | undefined, ...names: string[]): Wire | undefined {
  const value = memberOf(wire, names);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Wire) : undefined;
}

/** The objects of the first of these members that is a list. */
export function listOf(wire: Wire | undefined, ...names: string[]): readonly Wire[] {
  const value = memberOf(wire, names);
  return Array.isArray(value) ? value.filter((one): one is Wire => typeof one === 'object' && one !== null) : [];
}

export function truthOf(wire: Wire | undefined, ...names: string[]): boolean | undefined {
  const value = textOf(wire, ...names);
  return value === undefined ? undefined : value === 'true';
}

/** A list of `{name, value}`; the value of the same name that comes last counts. */
export function pairsOf(wires: readonly Wire[]): Record<string, string> {
  return Object.fromEntries(wires.map((one) => [textOf(one, 'name', 'id') ?? '', textOf(one, 'Value', 'value') ?? '']));
}

/** An id in decimal: Dogtag writes ids in decimal or as `0x7`. Throws PluginError `refused` for another text. */
export function decimalId(id: string): string {
  if (/^(?:0x[0-9a-f]{1,40}|\d{1,48})$/i.test(id)) return BigInt(id.toLowerCase()).toString();
  throw new PluginError('refused', 'That is no id of this CA: ids are whole numbers.');
}

/** A serial number of the CA in hex: upper case, without leading zeros. */
export function serialHexOf(id: string): string {
  return BigInt(decimalId(id)).toString(16).toUpperCase();
}

/** Milliseconds since 1970 as a number or a text, or a date as Java prints it; undefined for what cannot be read. */
export function dateOf(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = new Date(/^\d+$/.test(text) ? Number(text) : text.replace(/^(\d{4}-\d\d-\d\d) (\S+) /, '$1T$2'));
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function memberOf(wire: Wire | undefined, names: readonly string[]): unknown {
  for (const name of names) {
    const value = wire?.[name];
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}
