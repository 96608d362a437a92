/**
 * DER encoders (X.690) for the hot paths. Each function returns one complete TLV. Throws RangeError for values that DER
 * cannot encode, which is a bug of the caller: validate foreign input first.
 */

/**
 * One element with the identifier octet `tag`; joins the `content` parts. Pass large collections as one joined part.
 */
export function tlv(tag: number, ...content: Buffer[]): Buffer {
  let length = 0;
  for (const part of content) length += part.length;
  const lengthOctets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4;
  const out = Buffer.allocUnsafe(2 + lengthOctets + length);
  out[0] = tag;
  out[1] = lengthOctets === 0 ? length : 0x80 | lengthOctets;
  if (lengthOctets > 0) out.writeUIntBE(length, 2, lengthOctets);
  let at = 2 + lengthOctets;
  for (const part of content) {
    part.copy(out, at);
    at += part.length;
  }
  return out;
}

/** Identifier and length octets of an element whose content of `length` octets is written elsewhere. */
export function header(tag: number, length: number): Buffer {
  const digits = length < 0x80 ? '' : length.toString(16);
  const octets = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, octets.length === 0 ? length : 0x80 | octets.length]), octets]);
}

/** SEQUENCE or SEQUENCE OF. */
export function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, ...parts);
}

/** SET OF, with members in DER order (X.690 §11.6). */
export function setOf(...parts: Buffer[]): Buffer {
  return tlv(0x31, ...(parts.length < 2 ? parts : [...parts].sort((a, b) => Buffer.compare(a, b))));
}

/** A non-negative INTEGER, minimal. A Buffer is an unsigned big-endian magnitude. */
export function integer(value: number | bigint | Buffer): Buffer {
  const magnitude = Buffer.isBuffer(value) ? value : magnitudeOf(value);
  let from = 0;
  while (from < magnitude.length - 1 && magnitude[from] === 0) from++;
  const shortest = magnitude.subarray(from);
  const first = shortest[0];
  return first === undefined || first >= 0x80 ? tlv(0x02, ZERO, shortest) : tlv(0x02, shortest);
}

const ZERO = Buffer.from([0]);

function magnitudeOf(value: number | bigint): Buffer {
  if (value < 0 || (typeof value === 'number' && !Number.isSafeInteger(value))) {
    throw new RangeError(`Not a non-negative integer: ${value}`);
  }
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, 'hex');
}

/** BOOLEAN. */
export function boolean(value: boolean): Buffer {
  return Buffer.from([0x01, 0x01, value ? 0xff : 0x00]);
}

/** NULL. */
export function nullValue(): Buffer {
  return Buffer.from([0x05, 0x00]);
}

const OID_CACHE_SIZE = 512;
const oidCache = new Map<string, Buffer>();

/** OBJECT IDENTIFIER from dotted form, e.g. `2.5.29.17`. The result is shared: do not modify it. */
export function oid(dotted: string): Buffer {
  const known = oidCache.get(dotted);
  if (known) return known;
  if (!/^[012](\.(0|[1-9]\d{0,39})){1,64}$/.test(dotted)) throw new RangeError('Not an object identifier');
  const [root = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt);
  if (root < 2n && second > 39n) throw new RangeError('Not an object identifier');
  const encoded = tlv(0x06, Buffer.from([root * 40n + second, ...rest].flatMap(base128)));
  if (oidCache.size < OID_CACHE_SIZE) oidCache.set(dotted, encoded);
  return encoded;
}

function base128(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)];
  for (let left = arc >> 7n; left > 0n; left >>= 7n) octets.unshift(Number(left & 0x7fn) | 0x80);
  return octets;
}

/** OCTET STRING. */
export function octetString(content: Buffer): Buffer {
  return tlv(0x04, content);
}

/** BIT STRING of whole octets; the last `unusedBits` (0-7) bits are unused and must be zero. */
export function bitString(content: Buffer, unusedBits = 0): Buffer {
  return tlv(0x03, Buffer.from([unusedBits]), content);
}

/**
 * BIT STRING of a named-bit list: bit 0 is the highest bit of the first octet; trailing zero bits are dropped (X.690
 * §11.2.2).
 */
export function namedBits(bitIndexes: readonly number[]): Buffer {
  if (bitIndexes.length === 0) return bitString(Buffer.alloc(0));
  const last = Math.max(...bitIndexes);
  const octets = Buffer.alloc((last >> 3) + 1);
  for (const index of bitIndexes) octets[index >> 3] = (octets[index >> 3] ?? 0) | (0x80 >> (index & 7));
  return bitString(octets, 7 - (last & 7));
}

/** UTF8String. */
export function utf8String(text: string): Buffer {
  return tlv(0x0c, Buffer.from(text, 'utf8'));
}

/** PrintableString. Throws RangeError for characters outside its alphabet. */
export function printableString(text: string): Buffer {
  if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)) throw new RangeError('Not a PrintableString');
  return tlv(0x13, Buffer.from(text, 'latin1'));
}

/** IA5String. Throws RangeError for characters outside ASCII. */
export function ia5String(text: string): Buffer {
  if (!/^[\x00-\x7f]*$/.test(text)) throw new RangeError('Not an IA5String');
  return tlv(0x16, Buffer.from(text, 'latin1'));
}

/** BMPString (UTF-16, big-endian). */
export function bmpString(text: string): Buffer {
  return tlv(0x1e, Buffer.from(text, 'utf16le').swap16());
}

/** `[n] EXPLICIT`: wraps complete elements. `n` is 0-30. */
export function explicit(n: number, ...content: Buffer[]): Buffer {
  return tlv(0xa0 | n, ...content);
}

/** `[n] IMPLICIT`: `content` excludes the tag and length that it replaces. */
export function implicit(n: number, content: Buffer, constructed = false): Buffer {
  return tlv((constructed ? 0xa0 : 0x80) | n, content);
}

/**
 * Time as in RFC 5280 §4.1.2.5: UTCTime from 1950 through 2049, else GeneralizedTime; whole seconds, UTC, years 0-9999.
 */
export function time(date: Date): Buffer {
  const year = date.getUTCFullYear();
  return year >= 1950 && year < 2050 ? tlv(0x17, timeText(date, year % 100, 2)) : generalizedTime(date);
}

/** GeneralizedTime in the form of RFC 5280 §4.1.2.5.2: whole seconds, UTC, years 0-9999. */
export function generalizedTime(date: Date): Buffer {
  return tlv(0x18, timeText(date, date.getUTCFullYear(), 4));
}

function timeText(date: Date, year: number, yearDigits: number): Buffer {
  if (!(year >= 0 && year <= 9999)) throw new RangeError('Not a time that X.509 can express');
  const fields = [
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ];
  let text = String(year).padStart(yearDigits, '0');
  for (const field of fields) text += field < 10 ? `0${field}` : field;
  return Buffer.from(`${text}Z`, 'latin1');
}
