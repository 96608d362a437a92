import { isUtf8 } from 'node:buffer';
import { decodeOid, DerError, DerReader, readTlv, Tag, type Tlv } from '../der/reader.js';

const maxDepth = 32;
const constructed = 0x20;
const universalTags = 0x1f;

/**
 * Throws DerError unless `der` is one element that X.690 §10 and §11 allow in DER: minimal lengths and integers,
 * canonical booleans, times and bit strings, sets in order, and strings within their alphabet. The content of octet
 * strings and of primitive context-specific elements is not looked at.
 */
export function demandDer(der: Buffer): void {
  if (demandElement(der, 0, der.length, 0) !== der.length) throw new DerError('Trailing data');
}

/** The offset behind the element at `at`. */
function demandElement(buf: Buffer, at: number, limit: number, depth: number): number {
  const element = readTlv(buf, at, limit);
  const { tag, start, end } = element;
  if (tag < 0x40) {
    if (((tag & constructed) !== 0) !== (tag === Tag.sequence || tag === Tag.set))
      throw new DerError('An element of a primitive type is constructed, or the reverse');
    PRIMITIVES[tag & universalTags]?.(buf, element);
  }
  if ((tag & constructed) === 0) return end;
  if (depth >= maxDepth) throw new DerError('Nested too deeply');
  for (let inner = start, before = -1; inner < end;) {
    const after = demandElement(buf, inner, end, depth + 1);
    if (tag === Tag.set && before >= 0 && buf.compare(buf, inner, after, before, inner) > 0)
      throw new DerError('The members of a set are not in order');
    before = inner;
    inner = after;
  }
  return end;
}

type Check = (buf: Buffer, element: Tlv) => void;

const demandText =
  (what: string, alphabet: RegExp): Check =>
  (buf, { start, end }) => {
    if (!alphabet.test(buf.toString('latin1', start, end)))
      throw new DerError(`A ${what} has characters outside its alphabet`);
  };

const readBy =
  (read: (reader: DerReader) => unknown): Check =>
  (buf, { header, after }) =>
    void read(DerReader.over(buf.subarray(header, after)));

/** By the number of a universal tag. */
const PRIMITIVES: readonly (Check | undefined)[] = Object.assign(Array<Check | undefined>(0x20).fill(undefined), {
  [Tag.boolean]: readBy((reader) => reader.boolean()),
  [Tag.integer]: readBy((reader) => reader.integer()),
  [Tag.enumerated]: readBy((reader) => reader.integer(Tag.enumerated)),
  [Tag.bitString]: readBy((reader) => reader.bitString()),
  [Tag.null]: (_, { start, end }) => {
    if (start !== end) throw new DerError('A NULL has content');
  },
  [Tag.oid]: (buf, { start, end }) => void decodeOid(buf.subarray(start, end)),
  [Tag.utf8String]: (buf, { start, end }) => {
    if (!isUtf8(buf.subarray(start, end))) throw new DerError('A UTF8String is not UTF-8');
  },
  [Tag.numericString]: demandText('NumericString', /^[0-9 ]*$/),
  [Tag.printableString]: demandText('PrintableString', /^[A-Za-z0-9 '()+,\-./:=?]*$/),
  [Tag.ia5String]: demandText('IA5String', /^[\x00-\x7f]*$/),
  [Tag.visibleString]: demandText('VisibleString', /^[\x20-\x7e]*$/),
  [Tag.bmpString]: (_, { start, end }) => {
    if ((end - start) % 2 !== 0) throw new DerError('A BMPString has half a character');
  },
  [Tag.universalString]: (_, { start, end }) => {
    if ((end - start) % 4 !== 0) throw new DerError('A UniversalString has a part of a character');
  },
} satisfies Record<number, Check>);
