import { isUtf8 } from 'node:buffer';
import type { SubjectFields } from '../plugin-api/terms.js';
import { DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import { orPkiError, PkiError } from './pki-error.js';

/** One attribute of a distinguished name; `der` is its value with tag and length. */
export interface NameAttribute {
  oid: string;
  text: string;
  der: Buffer;
}

/** A distinguished name: a list of RDNs, most of which have one attribute. */
export type Name = readonly (readonly NameAttribute[])[];

interface AttributeRule {
  field: keyof SubjectFields;
  oid: string;
  label: string;
  maxLength: number;
}

/** In output order; the lengths are the upper bounds of RFC 5280 appendix A.1. */
const RULES: readonly AttributeRule[] = [
  { field: 'country', oid: '2.5.4.6', label: 'Country', maxLength: 2 },
  { field: 'state', oid: '2.5.4.8', label: 'State', maxLength: 128 },
  { field: 'location', oid: '2.5.4.7', label: 'Location', maxLength: 128 },
  { field: 'organization', oid: '2.5.4.10', label: 'Organization', maxLength: 64 },
  { field: 'organizationalUnit', oid: '2.5.4.11', label: 'Organizational unit', maxLength: 64 },
  { field: 'commonName', oid: '2.5.4.3', label: 'Common name', maxLength: 64 },
];
const FIELDS = new Map(RULES.map((rule) => [rule.oid, rule.field]));

/** RFC 4514 §3, and a few more that every tool prints by name. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.6', 'C'],
  ['2.5.4.9', 'STREET'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['1.2.840.113549.1.9.1', 'emailAddress'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.4', 'SN'],
  ['2.5.4.42', 'GN'],
  ['2.5.4.12', 'title'],
]);

/** The OID of an attribute by its short name, in any case. */
export function oidOfShortName(name: string): string | undefined {
  for (const [oid, known] of SHORT_NAMES) if (known.toLowerCase() === name.toLowerCase()) return oid;
  return undefined;
}

/** The DN in DER, one attribute per RDN; skips empty members. Throws PkiError `bad-name`. */
export function encodeSubject(subject: SubjectFields): Buffer {
  const parts: Buffer[] = [];
  for (const rule of RULES) {
    const value = subject[rule.field];
    if (value) parts.push(der.setOf(der.sequence(der.oid(rule.oid), encodeValue(rule, value))));
  }
  return der.sequence(...parts);
}

function encodeValue({ field, label, maxLength }: AttributeRule, value: string): Buffer {
  if (field === 'country') {
    if (!/^[A-Za-z]{2}$/.test(value)) throw new PkiError('bad-name', 'Country must be two letters (ISO 3166)');
    return der.printableString(value.toUpperCase());
  }
  // Count characters, not UTF-16 units, of which there are at most twice as many.
  if (value.length > maxLength && (value.length > 2 * maxLength || [...value].length > maxLength)) {
    throw new PkiError('bad-name', `${label} is longer than ${maxLength} characters`);
  }
  if (/[\p{Cc}\p{Cs}]/u.test(value)) throw new PkiError('bad-name', `${label} contains control characters`);
  return der.utf8String(value);
}

const known = new WeakMap<Buffer, Name>();

/** Lets `readName` give `name` for this very Buffer, which must not be written to afterwards. */
export function keepName(nameDer: Buffer, name: Name): void {
  known.set(nameDer, name);
}

/** Parses a DN, also in BER; each attribute has a text. Throws PkiError `bad-name`. */
export function readName(nameDer: Buffer): Name {
  return known.get(nameDer) ?? parseName(nameDer);
}

function parseName(nameDer: Buffer): Name {
  return orPkiError('bad-name', 'Not a distinguished name', () => {
    const name: NameAttribute[][] = [];
    for (const relative = DerReader.enter(nameDer, Tag.sequence, 'ber'); relative.more;) {
      const attributes: NameAttribute[] = [];
      for (const set = relative.enter(Tag.set); set.more;) attributes.push(readAttribute(set.enter()));
      name.push(attributes);
    }
    return name;
  });
}

function readAttribute(attribute: DerReader): NameAttribute {
  const oid = attribute.oid();
  const value = attribute.raw();
  attribute.end();
  return { oid, text: readText(value) ?? `#${value.toString('hex')}`, der: value };
}

/** The text of an element of any string type; undefined for other types. Throws DerError. */
export function readText(value: Buffer): string | undefined {
  const tag = (value[0] ?? 0) & ~0x20;
  return STRINGS.has(tag) ? decodeText(tag, DerReader.over(value, 'ber').octets(tag)) : undefined;
}

const STRINGS: ReadonlySet<number> = new Set([
  Tag.utf8String,
  Tag.numericString,
  Tag.printableString,
  Tag.teletexString,
  Tag.ia5String,
  Tag.visibleString,
  Tag.universalString,
  Tag.bmpString,
]);

/** Undecodable octets and NUL become U+FFFD: the text can be stored and never hides what follows. */
function decodeText(tag: number, content: Buffer): string {
  return decodeString(tag, content).replaceAll('\0', '\ufffd');
}

function decodeString(tag: number, content: Buffer): string {
  switch (tag) {
    case Tag.bmpString:
      return Buffer.from(content.subarray(0, content.length & ~1))
        .swap16()
        .toString('utf16le')
        .replace(/\p{Cs}/gu, '\ufffd');
    case Tag.universalString:
      return decodeUtf32(content);
    case Tag.utf8String:
      return content.toString('utf8');
    default:
      return tag === Tag.teletexString ? content.toString('latin1') : decodeOctets(content);
  }
}

/** Text that should be ASCII: decoded as UTF-8 if valid, else as Latin-1, which programs have written in practice. */
export function decodeOctets(content: Buffer): string {
  return content.toString(isUtf8(content) ? 'utf8' : 'latin1');
}

function decodeUtf32(content: Buffer): string {
  const codes = Array.from({ length: content.length >> 2 }, (_, i) => content.readUInt32BE(i * 4));
  return codes
    .map((code) => (code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? '\ufffd' : String.fromCodePoint(code)))
    .join('');
}

/**
 * The DN as RFC 4514 text, most specific RDN first, e.g. `CN=www.example.com,O=Example`. Throws PkiError `bad-name`.
 */
export function formatDn(nameDer: Buffer): string {
  return formatName(readName(nameDer));
}

/** As `formatDn`, for a parsed name. */
export function formatName(name: Name): string {
  return name
    .map((relative) => relative.map(formatAttribute).join('+'))
    .reverse()
    .join(',');
}

function formatAttribute({ oid, text, der: value }: NameAttribute): string {
  const shortName = SHORT_NAMES.get(oid);
  return shortName ? `${shortName}=${escapeValue(text)}` : `${oid}=#${value.toString('hex')}`;
}

function escapeValue(text: string): string {
  if (/^[\w.\-*:/@()]*$/.test(text)) return text;
  // A control character could break the line or reverse the text direction.
  return text.replace(/^[ #]| $|["+,;<>\\]|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) =>
    /[ -~]/.test(c)
      ? `\\${c}`
      : Buffer.from(c)
          .toString('hex')
          .toUpperCase()
          .replace(/../g, (octet) => `\\${octet}`),
  );
}

/** The six members that users can set; the first value of a repeated attribute counts. Throws PkiError `bad-name`. */
export function subjectFieldsOf(nameDer: Buffer): SubjectFields {
  return fieldsOf(readName(nameDer));
}

/** As `subjectFieldsOf`, for a parsed name. */
export function fieldsOf(name: Name): SubjectFields {
  const fields: SubjectFields = {};
  for (const { oid, text } of name.flat()) {
    const field = FIELDS.get(oid);
    if (field) fields[field] ??= text;
  }
  return fields;
}

/** The common names of a subject, in its order. */
export function commonNamesOf(name: Name): string[] {
  return name.flat().flatMap(({ oid, text }) => (FIELDS.get(oid) === 'commonName' ? [text] : []));
}

/** These attributes require other string types than UTF8String (RFC 5280 appendix A.1, RFC 4519 §2.4). */
const PRINTABLE: ReadonlySet<string> = new Set(['2.5.4.5', '2.5.4.6', '2.5.4.46']);
const IA5: ReadonlySet<string> = new Set(['0.9.2342.19200300.100.1.25', '1.2.840.113549.1.9.1']);

/**
 * The DN in DER with the attributes of `name` in their order and grouping. Encodes each text again; a value that is not
 * a string keeps its octets.
 */
export function encodeName(name: Name): Buffer {
  const relative = name.filter((attributes) => attributes.length > 0);
  return der.sequence(...relative.map((attributes) => der.setOf(...attributes.map(encodeAttribute))));
}

/**
 * The subject of a certificate for its renewal, in its order and grouping: clients may be mapped by the exact DN.
 * Undefined when `encodeSubject` yields the same from the six members. Throws PkiError `bad-name`.
 */
export function keptSubject(subjectDer: Buffer): Buffer | undefined {
  const name = readName(subjectDer);
  const kept = encodeName(name);
  return encodesAs(fieldsOf(name), kept) ? undefined : kept;
}

/** Whether `encodeSubject` yields this DN from the six members. */
export function encodesAs(subject: SubjectFields, nameDer: Buffer): boolean {
  try {
    return encodeSubject(subject).equals(nameDer);
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}

function encodeAttribute({ oid, text, der: value }: NameAttribute): Buffer {
  return der.sequence(der.oid(oid), readText(value) === undefined ? value : encodeText(oid, text));
}

function encodeText(oid: string, text: string): Buffer {
  if (PRINTABLE.has(oid) && /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)) return der.printableString(text);
  if (IA5.has(oid) && /^[\x00-\x7f]*$/.test(text)) return der.ia5String(text);
  return der.utf8String(text);
}

/** Whether two DNs match: equal octets, or equal text ignoring case and runs of spaces (RFC 5280 §7.1). */
export function sameName(a: Buffer, b: Buffer): boolean {
  return a.equals(b) || nameKey(a) === nameKey(b);
}

/** By Buffer, since the name of an authority is compared with every subject. */
const nameKeys = new WeakMap<Buffer, string>();

/** A text that is equal for matching DNs (RFC 5280 §7.1). Throws PkiError `bad-name`. */
export function nameKey(nameDer: Buffer): string {
  let key = nameKeys.get(nameDer);
  if (key === undefined) nameKeys.set(nameDer, (key = rdnKeys(readName(nameDer)).join('\n')));
  return key;
}

/** One text per RDN, in the order of the DN; equal for matching RDNs (RFC 5280 §7.1). */
export function rdnKeys(name: Name): string[] {
  return name.map((relative) => relative.map(attributeKey).sort().join('+'));
}

function attributeKey({ oid, text }: NameAttribute): string {
  return JSON.stringify([oid, text.toLowerCase().replace(/\s+/g, ' ').trim()]);
}
