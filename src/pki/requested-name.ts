import { isAscii, isUtf8 } from 'node:buffer';
import { DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import { keepName, type Name, type NameAttribute } from './names.js';
import { orPkiError, PkiError } from './pki-error.js';

/** A requested subject, encoded again. */
export interface RequestedName {
  der: Buffer;
  name: Name;
  /** False when a value holds characters outside its string type: its original octets are not valid DER. */
  isProper: boolean;
}

type TextType = 'utf8' | 'printable' | 'ia5';

interface AttributeRule {
  label: string;
  /** In characters, by the upper bounds of RFC 5280 appendix A.1 and X.520. */
  maxLength: number;
  type: TextType;
}

const rule = (label: string, maxLength: number, type: TextType = 'utf8'): AttributeRule => ({ label, maxLength, type });

const RULES: ReadonlyMap<string, AttributeRule> = new Map([
  ['2.5.4.3', rule('Common name', 64)],
  ['2.5.4.4', rule('Surname', 256)],
  ['2.5.4.5', rule('Serial number', 64, 'printable')],
  ['2.5.4.6', rule('Country', 2, 'printable')],
  ['2.5.4.7', rule('Location', 128)],
  ['2.5.4.8', rule('State', 128)],
  ['2.5.4.9', rule('Street address', 128)],
  ['2.5.4.10', rule('Organization', 64)],
  ['2.5.4.11', rule('Organizational unit', 64)],
  ['2.5.4.12', rule('Title', 64)],
  ['2.5.4.15', rule('Business category', 128)],
  ['2.5.4.17', rule('Postal code', 40)],
  ['2.5.4.42', rule('Given name', 256)],
  ['2.5.4.46', rule('DN qualifier', 64, 'printable')],
  ['2.5.4.65', rule('Pseudonym', 128)],
  ['2.5.4.97', rule('Organization identifier', 256)],
  ['0.9.2342.19200300.100.1.1', rule('User id', 256)],
  ['0.9.2342.19200300.100.1.25', rule('Domain component', 63, 'ia5')],
  ['1.2.840.113549.1.9.1', rule('E-mail address', 255, 'ia5')],
  ['1.3.6.1.4.1.311.60.2.1.3', rule('Country of jurisdiction', 2, 'printable')],
]);
const COUNTRIES: ReadonlySet<string> = new Set(['2.5.4.6', '1.3.6.1.4.1.311.60.2.1.3']);

const MAX_UNKNOWN_LENGTH = 256;
const MAX_ATTRIBUTES = 64;

/** Characters that hide, reorder or break text, or mark undecodable octets. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\ufffd]/u;

/**
 * Decodes each value of a requested subject by its type, enforces the bounds of RFC 5280, and encodes it again in the
 * same order. Throws PkiError `bad-name` with the attribute and the reason.
 */
export function rebuildName(nameDer: Buffer): RequestedName {
  const relatives = orPkiError('bad-name', 'Not a distinguished name', () => readSets(nameDer));
  if (relatives.flat().length > MAX_ATTRIBUTES)
    throw new PkiError('bad-name', `The name has more than ${MAX_ATTRIBUTES} attributes`);
  const rebuilt = relatives.map((set) => {
    const types = set.map(({ oid }) => oid);
    if (types.length === 0) throw new PkiError('bad-name', 'A part of the name is an empty SET');
    if (new Set(types).size < types.length)
      throw new PkiError('bad-name', 'An attribute is repeated within one part of the name');
    return set.map(rebuildAttribute);
  });
  const nameAgain = der.sequence(
    ...rebuilt.map((set) => der.setOf(...set.map(({ oid, der: value }) => der.sequence(der.oid(oid), value)))),
  );
  // DER orders the attributes of a SET anew.
  if (rebuilt.every((set) => set.length === 1)) keepName(nameAgain, rebuilt);
  return { name: rebuilt, isProper: rebuilt.flat().every(({ isProper }) => isProper), der: nameAgain };
}

interface GivenAttribute {
  oid: string;
  tag: number;
  content: Buffer;
}

function readSets(nameDer: Buffer): GivenAttribute[][] {
  const sets: GivenAttribute[][] = [];
  for (const relative = DerReader.enter(nameDer); relative.more;) {
    const set: GivenAttribute[] = [];
    for (const members = relative.enter(Tag.set); members.more;) {
      const attribute = members.enter();
      const oid = attribute.oid();
      const tag = attribute.peek() ?? 0;
      set.push({ oid, tag, content: attribute.content() });
      attribute.end();
    }
    sets.push(set);
  }
  return sets;
}

function rebuildAttribute({ oid, tag, content }: GivenAttribute): NameAttribute & { isProper: boolean } {
  const { label, maxLength, type } = RULES.get(oid) ?? unknownRule(oid, tag, content);
  const text = decode(tag, content);
  if (text === null) throw new PkiError('bad-name', `${label} is not text of its string type`);
  if (text.trim() === '') throw new PkiError('bad-name', `${label} is empty`);
  if (COUNTRIES.has(oid) && !/^[A-Za-z]{2}$/.test(text))
    throw new PkiError('bad-name', `${label} must be two letters (ISO 3166)`);
  if ([...text].length > maxLength) throw new PkiError('bad-name', `${label} is longer than ${maxLength} characters`);
  if (UNFIT.test(text)) throw new PkiError('bad-name', `${label} contains control characters`);
  if (type !== 'utf8' && !ALPHABETS[type].test(text))
    throw new PkiError('bad-name', `${label} contains characters outside its string type (${type})`);
  return { oid, text, der: ENCODERS[type](text), isProper: ALPHABET_OF_TAG.get(tag)?.test(text) ?? true };
}

/** The rule for an unknown attribute: keeps its string type when the type has its own alphabet. */
function unknownRule(oid: string, tag: number, content: Buffer): AttributeRule {
  const text = content.toString('latin1');
  const type = tag === Tag.printableString ? 'printable' : tag === Tag.ia5String ? 'ia5' : 'utf8';
  return rule(
    `Attribute ${oid.slice(0, 100)}`,
    MAX_UNKNOWN_LENGTH,
    type !== 'utf8' && ALPHABETS[type].test(text) ? type : 'utf8',
  );
}

const ALPHABETS = { printable: /^[A-Za-z0-9 '()+,\-./:=?]*$/, ia5: /^\p{ASCII}*$/u } as const;
const ENCODERS = { utf8: der.utf8String, printable: der.printableString, ia5: der.ia5String } as const;
const ALPHABET_OF_TAG: ReadonlyMap<number, RegExp> = new Map([
  [Tag.printableString, ALPHABETS.printable],
  [Tag.numericString, /^[0-9 ]*$/],
]);

/** The text of a value; null for octets outside its type, and for values that are not text. */
function decode(tag: number, content: Buffer): string | null {
  switch (tag) {
    case Tag.utf8String:
      return isUtf8(content) ? content.toString('utf8') : null;
    case Tag.printableString:
    case Tag.numericString:
    case Tag.ia5String:
    case Tag.visibleString:
      return isAscii(content) ? content.toString('latin1') : null;
    case Tag.teletexString:
      // Latin-1 in practice, as OpenSSL and Go read it.
      return content.toString('latin1');
    case Tag.bmpString:
      return content.length % 2 === 0 ? Buffer.from(content).swap16().toString('utf16le') : null;
    case Tag.universalString:
      return decodeUtf32(content);
    default:
      return null;
  }
}

function decodeUtf32(content: Buffer): string | null {
  if (content.length % 4 !== 0) return null;
  const codes = Array.from({ length: content.length / 4 }, (_, i) => content.readUInt32BE(i * 4));
  return codes.every((code) => code <= 0x10ffff) ? String.fromCodePoint(...codes) : null;
}
