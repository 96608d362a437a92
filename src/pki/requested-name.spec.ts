import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutationsOf } from '../../test/support/x509.js';
import * as der from './der/writer.js';
import { encodeSubject, formatName, readName } from './names.js';
import { rebuildName } from './requested-name.js';

type Attribute = [oid: string, value: Buffer];
const nameOf = (...sets: Attribute[][]): Buffer =>
  der.sequence(...sets.map((set) => der.setOf(...set.map(([oid, value]) => der.sequence(der.oid(oid), value)))));
const cn = (value: Buffer): Buffer => nameOf([['2.5.4.3', value]]);
const text = der.utf8String;
const octets = (tag: number, content: string | Buffer): Buffer =>
  der.tlv(tag, typeof content === 'string' ? Buffer.from(content, 'latin1') : content);

describe('the name of a request', () => {
  it.each<[string, Buffer]>([
    ['one attribute in each part', nameOf([['2.5.4.6', text('CH')]], [['2.5.4.3', text('Zo\u00eb')]])],
    [
      'two attributes in one part',
      nameOf([
        ['2.5.4.3', text('x')],
        ['0.9.2342.19200300.100.1.1', text('7')],
      ]),
    ],
    ['values of other string types', nameOf([['2.5.4.10', octets(0x14, 'Fu\xdf')]], [['1.2.3.4', octets(0x16, 'a')]])],
  ])('is read from its encoding as it was requested: %s', (_, given) => {
    const { der: again } = rebuildName(given);
    const plain = (nameDer: Buffer) =>
      readName(nameDer).map((set) =>
        set.map(({ oid, text, der: value }) => ({ oid, text, value: value.toString('hex') })),
      );
    expect(plain(again)).toEqual(plain(Buffer.from(again)));
  });

  const tooLong: [string, string, number][] = [
    ['2.5.4.3', 'Common name', 64],
    ['2.5.4.5', 'Serial number', 64],
    ['2.5.4.7', 'Location', 128],
    ['2.5.4.8', 'State', 128],
    ['2.5.4.10', 'Organization', 64],
    ['2.5.4.11', 'Organizational unit', 64],
    ['2.5.4.12', 'Title', 64],
    ['2.5.4.65', 'Pseudonym', 128],
    ['0.9.2342.19200300.100.1.25', 'Domain component', 63],
    ['1.2.840.113549.1.9.1', 'E-mail address', 255],
    ['1.2.3.4', 'Attribute 1.2.3.4', 256],
  ];
  it.each(tooLong)('holds %s (%s) to %i characters', (oid, label, most) => {
    expect(rebuildName(nameOf([[oid, text('x'.repeat(most))]])).isProper).toBe(true);
    expect(() => rebuildName(nameOf([[oid, text('x'.repeat(most + 1))]]))).toThrow(
      `${label} is longer than ${most} characters`,
    );
  });

  it.each<[string, Buffer, RegExp]>([
    ['NUL', cn(text('victim.example\0.a.example')), /Common name contains control characters/],
    ['CR LF', cn(text('a\r\nb')), /Common name contains control/],
    ['a change of direction', cn(text('a\u202eb')), /Common name contains control/],
    ['a space without width', cn(text('a\u200bb')), /Common name contains control/],
    ['a line separator', cn(text('a\u2028b')), /Common name contains control/],
    ['a replacement character', cn(text('a\ufffdb')), /Common name contains control/],
    ['nothing', cn(text('')), /Common name is empty/],
    ['spaces', cn(text(' \u3000 ')), /Common name is empty/],
    ['a second one with NUL', nameOf([['2.5.4.3', text('a.example')]], [['2.5.4.3', text('b\0')]]), /Common name/],
    ['an empty SET', der.sequence(der.tlv(0x31)), /empty SET/],
    [
      'one type twice in a SET',
      nameOf([
        ['2.5.4.3', text('a')],
        ['2.5.4.3', text('b')],
      ]),
      /repeated/,
    ],
    ['octets that are not UTF-8', cn(octets(0x0c, 'b\xfccher')), /Common name is not text/],
    ['octets beyond ASCII as IA5String', cn(octets(0x16, 'b\xfccher')), /Common name is not text/],
    ['octets beyond ASCII as PrintableString', cn(octets(0x13, 'b\xfccher')), /Common name is not text/],
    ['a BMPString of odd length', cn(octets(0x1e, '\0a\0')), /Common name is not text/],
    ['half a pair in a BMPString', cn(octets(0x1e, '\xd8\x00')), /Common name contains control/],
    ['a UniversalString of odd length', cn(octets(0x1c, '\0\0\0a\0')), /Common name is not text/],
    ['a UniversalString beyond Unicode', cn(octets(0x1c, '\0\x11\0\0')), /Common name is not text/],
    ['a number', cn(der.integer(5)), /Common name is not text/],
    ['a structure', cn(der.sequence(text('a'))), /Common name is not text/],
    ['a country of five letters', nameOf([['2.5.4.6', der.printableString('USAXX')]]), /Country must be two letters/],
    ['a country of one letter', nameOf([['2.5.4.6', der.printableString('U')]]), /Country must be two letters/],
    ['an umlaut in an e-mail address', nameOf([['1.2.840.113549.1.9.1', text('ü@a.example')]]), /E-mail address/],
    ['an underscore in a serial number', nameOf([['2.5.4.5', text('a_b')]]), /Serial number/],
    ['65 attributes', nameOf(...Array.from({ length: 65 }, (): Attribute[] => [['2.5.4.11', text('a')]])), /64/],
    ['octets behind it', Buffer.concat([cn(text('a')), Buffer.from([0])]), /Not a distinguished name/],
    ['octets behind a value', der.sequence(der.setOf(der.sequence(der.oid('2.5.4.3'), text('a'), text('b')))), /Not a/],
  ])('is refused with %s', (_, nameDer, reason) => {
    expect(() => rebuildName(nameDer)).toThrow(reason);
    expect(() => rebuildName(nameDer)).toThrow(expect.objectContaining({ code: 'bad-name' }));
  });

  it.each<[string, Buffer, string, boolean]>([
    ['an underscore as PrintableString', octets(0x13, 'my_org'), 'my_org', false],
    ['an at sign as PrintableString', octets(0x13, 'a@b'), 'a@b', false],
    ['PrintableString', octets(0x13, 'my org'), 'my org', true],
    ['NumericString', octets(0x12, '12 3'), '12 3', true],
    ['TeletexString', octets(0x14, 'b\xfccher'), 'bücher', true],
    ['BMPString', der.bmpString('bücher'), 'bücher', true],
    ['UniversalString', octets(0x1c, '\0\0\0a'), 'a', true],
  ])('is written anew: %s becomes UTF8String', (_, value, said, isProper) => {
    const rebuilt = rebuildName(nameOf([['2.5.4.10', value]]));
    expect(rebuilt).toMatchObject({ der: encodeSubject({ organization: said }), isProper });
  });

  it('keeps the order and the parts of several attributes', () => {
    const given = nameOf(
      [
        ['2.5.4.3', text('a.example')],
        ['0.9.2342.19200300.100.1.1', text('u')],
      ],
      [['2.5.4.6', der.printableString('CH')]],
      [['1.2.840.113549.1.9.1', der.ia5String('a@b.example')]],
      [['1.2.3.4', der.ia5String('as it was')]],
    );
    const rebuilt = rebuildName(given);
    expect([rebuilt.der, rebuilt.isProper]).toEqual([given, true]);
    expect(formatName(rebuilt.name)).toMatch(/emailAddress=a@b.example,C=CH,/);
  });

  it('throws nothing but PkiError, and what it writes reads the same', () => {
    const original = nameOf(
      [['2.5.4.3', text('a.example')]],
      [['2.5.4.10', der.bmpString('Ex')]],
      [['1.2.3', text('é')]],
    );
    fc.assert(
      fc.property(mutationsOf(original), (nameDer) => {
        try {
          const { der: once } = rebuildName(nameDer);
          expect(rebuildName(once)).toMatchObject({ der: once, isProper: true });
        } catch (error) {
          expect(error).toHaveProperty('name', 'PkiError');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
