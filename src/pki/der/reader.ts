/** What was read is not DER, or not the element that was expected. */
export class DerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DerError';
  }
}

/** Where one element lies in its buffer: `header` is its first octet, `start` to `end` (exclusive) its content. */
export interface Tlv {
  readonly tag: number;
  readonly header: number;
  readonly start: number;
  readonly end: number;
}

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
 * Reads the tag and length at `offset`. Throws DerError for a multi-octet tag, an indefinite, padded or overlong
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
  if (start + length > limit) throw new DerError('Truncated element');
  return { tag, header: offset, start, end: start + length };
}

function longLength(buf: Buffer, at: number, octets: number, limit: number): number {
  if (octets < 1 || octets > 4 || at + octets > limit) throw new DerError('Bad length');
  const length = buf.readUIntBE(at, octets);
  if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw new DerError('Length is not in its shortest form');
  return length;
}

/**
 * Walks the elements inside one constructed element, in order. Nothing is copied: buffers it returns are views.
 * Every method throws DerError when the next element is not what it asks for.
 */
export class DerReader {
  private constructor(
    private readonly buf: Buffer,
    private at: number,
    private readonly limit: number,
    private readonly depth: number,
  ) {}

  /** Reads the elements that lie one after another in `buf`. */
  static over(buf: Buffer): DerReader {
    return new DerReader(buf, 0, buf.length, 0);
  }

  /** Enters the one element of this `tag` that fills the whole of `der`. */
  static enter(der: Buffer, tag: number = Tag.sequence): DerReader {
    const outer = DerReader.over(der);
    const inner = outer.enter(tag);
    outer.end();
    return inner;
  }

  /** True while there are elements left. */
  get more(): boolean {
    return this.at < this.limit;
  }

  /** The tag of the next element; undefined at the end. */
  peek(): number | undefined {
    return this.more ? this.buf[this.at] : undefined;
  }

  /** Steps over the next element, which must have this `tag` (any tag when undefined). */
  next(tag?: number): Tlv {
    const element = readTlv(this.buf, this.at, this.limit);
    if (tag !== undefined && element.tag !== tag) throw new DerError(`Expected tag ${tag}, found ${element.tag}`);
    this.at = element.end;
    return element;
  }

  /** The next element with its tag and length. */
  raw(tag?: number): Buffer {
    const element = this.next(tag);
    return this.buf.subarray(element.header, element.end);
  }

  /** The content of the next element. */
  content(tag?: number): Buffer {
    const element = this.next(tag);
    return this.buf.subarray(element.start, element.end);
  }

  /** A reader over the content of the next element. At most 32 levels deep. */
  enter(tag: number = Tag.sequence): DerReader {
    if (this.depth >= MAX_DEPTH) throw new DerError('Nested too deeply');
    const element = this.next(tag);
    return new DerReader(this.buf, element.start, element.end, this.depth + 1);
  }

  /** As `enter` when the next element has this `tag`; else undefined, and nothing is consumed. */
  enterIf(tag: number): DerReader | undefined {
    return this.peek() === tag ? this.enter(tag) : undefined;
  }

  /** Demands that everything was read. */
  end(): void {
    if (this.more) throw new DerError('Trailing data');
  }

  /** INTEGER content, two's complement, checked to be in its shortest form. */
  integer(tag: number = Tag.integer): Buffer {
    const content = this.content(tag);
    const [first, second = 0] = content;
    if (first === undefined) throw new DerError('Empty integer');
    const padded = content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
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
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError('Bad boolean');
    return content[0] === 0xff;
  }

  /** OBJECT IDENTIFIER in dotted form. `tag` is given for `[n] IMPLICIT` ones. */
  oid(tag: number = Tag.oid): string {
    return decodeOid(this.content(tag));
  }

  /** OCTET STRING. */
  octetString(): Buffer {
    return this.content(Tag.octetString);
  }

  /** BIT STRING: its octets and how many bits of the last do not count (they must be zero). */
  bitString(tag: number = Tag.bitString): { bytes: Buffer; unusedBits: number } {
    const content = this.content(tag);
    const unusedBits = content[0];
    const bytes = content.subarray(1);
    if (unusedBits === undefined || unusedBits > 7 || (bytes.length === 0 && unusedBits > 0))
      throw new DerError('Bad bit string');
    if (((bytes.at(-1) ?? 0) & ((1 << unusedBits) - 1)) !== 0) throw new DerError('Unused bits are set');
    return { bytes, unusedBits };
  }

  /** Indexes of the bits that are set in a named-bit list, ascending. */
  namedBits(tag: number = Tag.bitString): number[] {
    const { bytes } = this.bitString(tag);
    if (bytes.length > 16) throw new DerError('Too many named bits');
    return Array.from({ length: bytes.length * 8 }, (_, i) => i).filter(
      (i) => ((bytes[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0,
    );
  }

  /** UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5. */
  time(): Date {
    const element = this.next();
    if (element.tag !== Tag.utcTime && element.tag !== Tag.generalizedTime) throw new DerError('Expected a time');
    return decodeTime(this.buf.toString('latin1', element.start, element.end), element.tag === Tag.utcTime);
  }
}

/** Dotted form of the content of an OBJECT IDENTIFIER. Throws DerError. */
export function decodeOid(content: Buffer): string {
  if (content.length === 0 || content.length > 128 || (content.at(-1) ?? 0) >= 0x80)
    throw new DerError('Bad object identifier');
  let dotted = '';
  for (let at = 0; at < content.length;) {
    let end = at;
    while ((content[end] ?? 0) >= 0x80) end++;
    if (content[at] === 0x80) throw new DerError('Object identifier is not in its shortest form');
    const arc = decodeArc(content.subarray(at, end + 1));
    dotted += dotted === '' ? firstArcs(arc) : `.${arc}`;
    at = end + 1;
  }
  return dotted;
}

function decodeArc(octets: Buffer): number | bigint {
  if (octets.length <= 7) return octets.reduce((arc, octet) => arc * 128 + (octet & 0x7f), 0);
  return octets.reduce((arc, octet) => (arc << 7n) | BigInt(octet & 0x7f), 0n);
}

function firstArcs(arc: number | bigint): string {
  if (arc < 80) return `${Math.floor(Number(arc) / 40)}.${Number(arc) % 40}`;
  return `2.${typeof arc === 'number' ? arc - 80 : arc - 80n}`;
}

function decodeTime(text: string, isUtcTime: boolean): Date {
  if (!(isUtcTime ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text)) throw new DerError('Bad time');
  const digits = isUtcTime ? `${text < '5' ? '20' : '19'}${text}` : text;
  const part = (from: number, to: number) => Number(digits.slice(from, to));
  const month = part(4, 6) - 1;
  const date = new Date(Date.UTC(2000, month, part(6, 8), part(8, 10), part(10, 12), part(12, 14)));
  date.setUTCFullYear(part(0, 4), month, part(6, 8));
  // A field out of range rolls over and so no longer reads the same.
  const same =
    Number.isFinite(date.getTime()) && date.toISOString().replace(/[-:T]/g, '').slice(0, 14) === digits.slice(0, 14);
  if (!same) throw new DerError('Bad time');
  return date;
}
