import { berTime, derTime } from './time.js';

/** The input is not DER, or not the expected element. */
export class DerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DerError';
  }
}

/**
 * Offsets of one element in its buffer: `header` is its first octet, `start` to `end` (exclusive) its content, `after`
 * the first octet behind it (beyond `end` only for an indefinite length).
 */
export interface Tlv {
  readonly tag: number;
  readonly header: number;
  readonly start: number;
  readonly end: number;
  readonly after: number;
}

/**
 * `der` is for data that is signed or written again here. `ber` is for foreign data and accepts what OpenSSL accepts
 * (X.690 §8): indefinite and padded lengths, constructed strings, padded integers, any non-zero BOOLEAN, times with an
 * offset or without seconds.
 */
export type Rules = 'der' | 'ber';

/** Universal tags, with the constructed bit where DER sets it. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
} as const;

const MAX_DEPTH = 32;

/**
 * Reads the tag and length at `offset`. Throws DerError for a multi-octet tag, or an indefinite, padded or overlong
 * length.
 */
export function readTlv(buf: Buffer, offset: number, limit = buf.length): Tlv {
  const tag = buf[offset];
  const first = buf[offset + 1];
  if (tag === undefined || first === undefined || offset + 2 > limit) throw new DerError('Truncated element');
  if ((tag & 0x1f) === 0x1f) throw new DerError('Tag numbers above 30 are not supported');
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    length = longLength(buf, start, first & 0x7f, limit);
    start += first & 0x7f;
  }
  return within({ tag, header: offset, start, end: start + length, after: start + length }, limit);
}

function within(element: Tlv, limit: number): Tlv {
  if (element.after > limit) throw new DerError('Truncated element');
  return element;
}

function longLength(buf: Buffer, at: number, octets: number, limit: number): number {
  if (octets < 1 || octets > 4 || at + octets > limit) throw new DerError('Bad length');
  const length = buf.readUIntBE(at, octets);
  if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw new DerError('Length is not in its shortest form');
  return length;
}

/** As `readTlv`, in BER: the further octets of a multi-octet tag are added above the first one. Throws DerError. */
function readBer(buf: Buffer, offset: number, limit: number, depth: number): Tlv {
  let at = offset;
  let tag = buf[at++] ?? 0;
  if ((tag & 0x1f) === 0x1f) {
    for (let shift = 8; shift <= 24; shift += 8) {
      const octet = buf[at++] ?? 0;
      tag += (octet & 0x7f) << shift;
      if (octet < 0x80) break;
      if (shift === 24) throw new DerError('Tag number is too large');
    }
  }
  const first = buf[at++];
  if (first === undefined || at > limit) throw new DerError('Truncated element');
  if (first === 0x80) return indefinite(buf, { tag, header: offset, start: at }, limit, depth);
  const octets = first > 0x80 ? first & 0x7f : 0;
  let length = octets > 0 ? 0 : first;
  for (const behind = at + octets; at < behind; at++) {
    length = length * 256 + (buf[at] ?? 0);
    if (length > limit) throw new DerError('Truncated element');
  }
  return within({ tag, header: offset, start: at, end: at + length, after: at + length }, limit);
}

/** Reads up to the end-of-contents octets (X.690 §8.1.3.6). */
function indefinite(buf: Buffer, begun: Pick<Tlv, 'tag' | 'header' | 'start'>, limit: number, depth: number): Tlv {
  if ((begun.tag & constructed) === 0 || depth >= MAX_DEPTH) throw new DerError('Bad length');
  let at = begun.start;
  while (buf[at] !== 0 || buf[at + 1] !== 0) at = readBer(buf, at, limit, depth + 1).after;
  return within({ ...begun, end: at, after: at + 2 }, limit);
}

const constructed = 0x20;

/**
 * Reads the elements inside one constructed element, in order. Returned buffers are views. Every method throws DerError
 * when the next element is not the requested one.
 */
export class DerReader {
  private constructor(
    private readonly buf: Buffer,
    private at: number,
    private readonly limit: number,
    private readonly depth: number,
    private readonly rules: Rules,
  ) {}

  /** Reads the consecutive elements in `buf`. */
  static over(buf: Buffer, rules: Rules = 'der'): DerReader {
    return new DerReader(buf, 0, buf.length, 0, rules);
  }

  /** Enters the single element with this `tag` that fills `der`. */
  static enter(der: Buffer, tag: number = Tag.sequence, rules: Rules = 'der'): DerReader {
    const outer = DerReader.over(der, rules);
    const inner = outer.enter(tag);
    outer.end();
    return inner;
  }

  /** True while elements remain. */
  get more(): boolean {
    return this.at < this.limit;
  }

  /** An independent reader at the same position. */
  copy(): DerReader {
    return new DerReader(this.buf, this.at, this.limit, this.depth, this.rules);
  }

  /** The tag of the next element; undefined at the end. */
  peek(): number | undefined {
    return this.more ? this.buf[this.at] : undefined;
  }

  /** Skips the next element, which must have this `tag` (any tag when undefined). */
  next(tag?: number): Tlv {
    const element =
      this.rules === 'der'
        ? readTlv(this.buf, this.at, this.limit)
        : readBer(this.buf, this.at, this.limit, this.depth);
    if (tag !== undefined && element.tag !== tag) throw new DerError(`Expected tag ${tag}, found ${element.tag}`);
    this.at = element.after;
    return element;
  }

  /** The next element with its tag and length. */
  raw(tag?: number): Buffer {
    const element = this.next(tag);
    return this.buf.subarray(element.header, element.after);
  }

  /** As `raw`, in BER: for what others have written and must stay octet by octet, like the name of an imported CA. */
  rawBer(tag: number): Buffer {
    const element = readBer(this.buf, this.at, this.limit, this.depth);
    if (element.tag !== tag) throw new DerError(`Expected tag ${tag}, found ${element.tag}`);
    this.at = element.after;
    return this.buf.subarray(element.header, element.after);
  }

  /** The content of the next element. */
  content(tag?: number): Buffer {
    const element = this.next(tag);
    return this.buf.subarray(element.start, element.end);
  }

  /** The octets of the next element, a string with this `tag`; joins a constructed BER string. */
  octets(tag: number): Buffer {
    return joined(this.string(tag));
  }

  /**
   * As `content`, for a string, which BER may split into parts: OCTET STRINGs (X.690 §8.7, §8.23), or, as OpenSSL
   * also takes them, parts of the type of the whole.
   */
  private string(tag: number): Buffer[] {
    if (this.rules === 'der' || this.peek() !== (tag | constructed)) return [this.content(tag)];
    const parts: Buffer[] = [];
    const universal = tag < 0x40 ? tag : Tag.octetString;
    for (const reader = this.enter(tag | constructed); reader.more;) {
      const isOctets = ((reader.peek() ?? 0) & ~constructed) === Tag.octetString;
      parts.push(...reader.string(isOctets ? Tag.octetString : universal));
    }
    return parts;
  }

  /** A reader over the content of the next element. At most 32 levels deep. */
  enter(tag: number = Tag.sequence): DerReader {
    if (this.depth >= MAX_DEPTH) throw new DerError('Nested too deeply');
    const element = this.next(tag);
    return new DerReader(this.buf, element.start, element.end, this.depth + 1, this.rules);
  }

  /** As `enter` if the next element has this `tag`; otherwise returns undefined and consumes nothing. */
  enterIf(tag: number): DerReader | undefined {
    return this.peek() === tag ? this.enter(tag) : undefined;
  }

  /** Demands that no element remains. */
  end(): void {
    if (this.more) throw new DerError('Trailing data');
  }

  /** INTEGER content, two's complement. In DER it must be minimal. */
  integer(tag: number = Tag.integer): Buffer {
    const content = this.content(tag);
    const [first, second = 0] = content;
    if (first === undefined) throw new DerError('Empty integer');
    const padded =
      this.rules === 'der' &&
      content.length > 1 &&
      ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
    if (padded) throw new DerError('Integer is not in its shortest form');
    return content;
  }

  /** A non-negative INTEGER below 2^31. */
  smallInteger(tag: number = Tag.integer): number {
    const content = this.integer(tag);
    if (content.length > 4 || (content[0] ?? 0) >= 0x80) throw new DerError('Integer out of range');
    return content.readUIntBE(0, content.length);
  }

  /** BOOLEAN. */
  boolean(): boolean {
    const content = this.content(Tag.boolean);
    const isDer = content[0] === 0 || content[0] === 0xff;
    if (content.length !== 1 || (this.rules === 'der' && !isDer)) throw new DerError('Bad boolean');
    return content[0] !== 0;
  }

  /** OBJECT IDENTIFIER in dotted form. Give `tag` for `[n] IMPLICIT`. */
  oid(tag: number = Tag.oid): string {
    return decodeOid(this.content(tag));
  }

  /** OCTET STRING. */
  octetString(): Buffer {
    return this.octets(Tag.octetString);
  }

  /** BIT STRING: its octets and the number of unused bits in the last one (in DER they must be zero). */
  bitString(tag: number = Tag.bitString): { bytes: Buffer; unusedBits: number } {
    const parts = this.string(tag);
    const unusedBits = parts.at(-1)?.[0];
    const bytes = joined(parts.map((part) => part.subarray(1)));
    if (unusedBits === undefined || unusedBits > 7 || (bytes.length === 0 && unusedBits > 0))
      throw new DerError('Bad bit string');
    const unused = (bytes.at(-1) ?? 0) & ((1 << unusedBits) - 1);
    if (unused !== 0 && this.rules === 'der') throw new DerError('Unused bits are set');
    return { bytes, unusedBits };
  }

  /** Indexes of the set bits of a named-bit list, ascending. */
  namedBits(tag: number = Tag.bitString): number[] {
    const { bytes } = this.bitString(tag);
    if (bytes.length > 16) throw new DerError('Too many named bits');
    return Array.from({ length: bytes.length * 8 }, (_, i) => i).filter(
      (i) => ((bytes[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0,
    );
  }

  /**
   * UTCTime or GeneralizedTime as in RFC 5280 §4.1.2.5, in BER as in X.680 §46 and §47. In BER an invalid time reads
   * as the beginning of 1970, when no program regards anything as valid.
   */
  time(): Date {
    const element = this.next();
    if (element.tag !== Tag.utcTime && element.tag !== Tag.generalizedTime) throw new DerError('Expected a time');
    const text = this.buf.toString('latin1', element.start, element.end);
    const isUtcTime = element.tag === Tag.utcTime;
    if (this.rules === 'ber') return berTime(text, isUtcTime) ?? new Date(0);
    const time = derTime(text, isUtcTime);
    if (!time) throw new DerError('Bad time');
    return time;
  }
}

function joined(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
}

const mostOids = 1024;
const longestOid = 16;
const oids = new Map<string, string>();

/** Dotted form of the content of an OBJECT IDENTIFIER. Throws DerError. */
export function decodeOid(content: Buffer): string {
  if (content.length > longestOid) return dottedOf(content);
  const key = content.toString('latin1');
  let dotted = oids.get(key);
  if (dotted !== undefined) return dotted;
  dotted = dottedOf(content);
  if (oids.size >= mostOids) oids.clear();
  oids.set(key, dotted);
  return dotted;
}

function dottedOf(content: Buffer): string {
  if (content.length === 0 || content.length > 512 || (content.at(-1) ?? 0) >= 0x80)
    throw new DerError('Bad object identifier');
  let dotted = '';
  for (let at = 0; at < content.length;) {
    let end = at;
    while ((content[end] ?? 0) >= 0x80) end++;
    if (content[at] === 0x80) throw new DerError('Object identifier is not in its shortest form');
    const arc = decodeArc(content, at, end + 1);
    dotted += dotted === '' ? firstArcs(arc) : `.${arc}`;
    at = end + 1;
  }
  return dotted;
}

function decodeArc(content: Buffer, from: number, to: number): number | bigint {
  let arc = 0;
  for (let at = from; at < to && at < from + 7; at++) arc = arc * 128 + ((content[at] ?? 0) & 0x7f);
  if (to - from <= 7) return arc;
  return content.subarray(from, to).reduce((long, octet) => (long << 7n) | BigInt(octet & 0x7f), 0n);
}

function firstArcs(arc: number | bigint): string {
  if (arc < 80) return `${Math.floor(Number(arc) / 40)}.${Number(arc) % 40}`;
  return `2.${typeof arc === 'number' ? arc - 80 : arc - 80n}`;
}
