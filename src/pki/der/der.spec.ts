import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DerError, DerReader, readTlv, Tag } from './reader.js';
import * as der from './writer.js';

const hex = (buf: Buffer) => buf.toString('hex');
const fromHex = (text: string) => Buffer.from(text, 'hex');

describe('DER writer', () => {
  it.each<[string, Buffer, string]>([
    ['sequence', der.sequence(der.integer(1), der.nullValue()), '30050201010500'],
    ['long length', der.octetString(Buffer.alloc(200)).subarray(0, 4), '0481c800'],
    ['very long length', der.octetString(Buffer.alloc(70_000)).subarray(0, 5), '0483011170'],
    ['set, sorted', der.setOf(der.integer(2), der.integer(1)), '3106020101020102'],
    ['zero', der.integer(0), '020100'],
    ['integer with a high bit', der.integer(128), '02020080'],
    ['integer of a bigint', der.integer(0x1_0000_0000_0000_0000n), '0209010000000000000000'],
    ['integer of a padded magnitude', der.integer(fromHex('000001')), '020101'],
    ['integer of an empty magnitude', der.integer(Buffer.alloc(0)), '020100'],
    ['boolean', der.boolean(true), '0101ff'],
    ['oid', der.oid('1.2.840.113549.1.1.11'), '06092a864886f70d01010b'],
    ['oid below 2', der.oid('2.999.3'), '0603883703'],
    ['bit string', der.bitString(fromHex('ff')), '030200ff'],
    ['named bits', der.namedBits([0, 2]), '030205a0'],
    ['named bits over two octets', der.namedBits([8]), '0303070080'],
    ['no named bits', der.namedBits([]), '030100'],
    ['bmpString', der.bmpString('aé'), '1e04006100e9'],
    ['explicit', der.explicit(0, der.integer(2)), 'a003020102'],
    ['implicit', der.implicit(6, Buffer.from('a')), '860161'],
    ['last UTCTime', der.time(new Date('2049-12-31T23:59:59.999Z')), hex(der.tlv(0x17, Buffer.from('491231235959Z')))],
    [
      'first GeneralizedTime',
      der.time(new Date('2050-01-01T00:00:00Z')),
      hex(der.tlv(0x18, Buffer.from('20500101000000Z'))),
    ],
    [
      'GeneralizedTime before 1950',
      der.time(new Date('1949-01-01T00:00:00Z')),
      hex(der.tlv(0x18, Buffer.from('19490101000000Z'))),
    ],
  ])('encodes %s', (_, encoded, expected) => expect(hex(encoded)).toBe(expected));

  it.each<[string, () => Buffer]>([
    ['a negative integer', () => der.integer(-1)],
    ['an unsafe integer', () => der.integer(2 ** 60)],
    ['an object identifier of one arc', () => der.oid('1')],
    ['an object identifier with a second arc too large', () => der.oid('1.40')],
    ['a PrintableString with an at sign', () => der.printableString('a@b')],
    ['an IA5String beyond ASCII', () => der.ia5String('ü')],
    ['an invalid date', () => der.time(new Date(NaN))],
    ['the year 10000', () => der.time(new Date(Date.UTC(10_000, 0)))],
  ])('refuses %s', (_, encode) => expect(encode).toThrow(RangeError));
});

describe('DER reader', () => {
  it('reads object identifiers alike however many it has read before', () => {
    const dotted = Array.from({ length: 3000 }, (_, i) => `1.3.6.1.4.1.${i * 97}.${i}`);
    const read = () => dotted.map((one) => DerReader.over(der.tlv(0x06, der.oid(one).subarray(2))).oid());
    expect(read()).toEqual(dotted);
    expect(read()).toEqual(dotted);
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['a tag alone', '30'],
    ['content that is cut off', '3002'],
    ['an indefinite length', '30800000'],
    ['a length with a leading zero', '0482000141'],
    ['a long form where the short one fits', '04810141'],
    ['a length of five octets', '0485010000000041'],
    ['a tag of several octets', '1f8100'],
  ])('refuses %s', (_, text) => expect(() => readTlv(fromHex(text), 0)).toThrow(DerError));

  it.each<[string, (reader: DerReader) => unknown, string]>([
    ['a padded integer', (r) => r.integer(), '02020001'],
    ['a padded negative integer', (r) => r.integer(), '0202ff80'],
    ['an empty integer', (r) => r.integer(), '0200'],
    ['a small integer that is negative', (r) => r.smallInteger(), '0201ff'],
    ['a boolean of another value', (r) => r.boolean(), '010101'],
    ['a bit string with unused bits set', (r) => r.bitString(), '030201ff'],
    ['a bit string without its first octet', (r) => r.bitString(), '0300'],
    ['an object identifier that is cut off', (r) => r.oid(), '06022a86'],
    ['an object identifier that is too long', (r) => r.oid(), `06820201${'01'.repeat(0x201)}`],
    ['a padded object identifier', (r) => r.oid(), '06032a8001'],
    ['a UTCTime without seconds', (r) => r.time(), `170b${hex(Buffer.from('2501010000Z'))}`],
    ['a thirteenth month', (r) => r.time(), `170d${hex(Buffer.from('251301000000Z'))}`],
    ['29 February of a common year', (r) => r.time(), `170d${hex(Buffer.from('250229000000Z'))}`],
    ['another tag', (r) => r.enter(), '020101'],
  ])('refuses %s', (_, read, text) => expect(() => read(DerReader.over(fromHex(text)))).toThrow(DerError));

  it('refuses trailing data and deep nesting', () => {
    expect(() => DerReader.enter(fromHex('300000'))).toThrow('Trailing');
    const nested = Array.from({ length: 40 }).reduce<Buffer>((inner) => der.sequence(inner), der.nullValue());
    const descend = (reader: DerReader): void => {
      if (reader.more) descend(reader.enter());
    };
    expect(() => descend(DerReader.over(nested))).toThrow('deeply');
  });

  it('reads what the writer wrote', () => {
    const arc = fc.bigInt({ min: 0n, max: 2n ** 120n });
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 200n }),
        fc.uint8Array({ maxLength: 300 }),
        fc.array(arc, { minLength: 1, maxLength: 6 }),
        fc.date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
        fc.uniqueArray(fc.integer({ min: 0, max: 60 })),
        (number, bytes, arcs, date, bits) => {
          const dotted = `2.${arcs.join('.')}`;
          const reader = DerReader.enter(
            der.sequence(
              der.integer(number),
              der.octetString(Buffer.from(bytes)),
              der.oid(dotted),
              der.time(date),
              der.namedBits(bits),
              der.boolean(true),
            ),
          );
          expect(BigInt(`0x${hex(reader.integer())}`)).toBe(number);
          expect(reader.octetString()).toEqual(Buffer.from(bytes));
          expect(reader.oid()).toBe(dotted);
          expect(reader.time().getTime()).toBe(Math.floor(date.getTime() / 1000) * 1000);
          expect(reader.namedBits()).toEqual([...bits].sort((a, b) => a - b));
          expect(reader.boolean()).toBe(true);
          reader.end();
        },
      ),
      { numRuns: 300 },
    );
  });

  it('throws only DerError on random bytes', () => {
    const walk = (reader: DerReader): void => {
      while (reader.more) {
        const tag = reader.peek() ?? 0;
        if ((tag & 0x20) !== 0) walk(reader.enter(tag));
        else if (tag === Tag.integer) reader.integer();
        else if (tag === Tag.oid) reader.oid();
        else if (tag === Tag.bitString) reader.namedBits();
        else if (tag === Tag.utcTime || tag === Tag.generalizedTime) reader.time();
        else reader.raw();
      }
    };
    const biased = fc
      .uint8Array({ maxLength: 60 })
      .map((bytes) => Buffer.concat([fromHex('3030'), Buffer.from(bytes)]));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }).map((b) => Buffer.from(b)),
          biased,
        ),
        (bytes) => {
          try {
            walk(DerReader.over(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(DerError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
