import { generateKeyPairSync } from 'node:crypto';
import { Name as PeculiarName } from '@peculiar/x509';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutationsOf, runOn } from '../../test/support/x509.js';
import type { SubjectFields } from '../plugin-api/terms.js';
import { buildCsr } from './csr.js';
import * as der from './der/writer.js';
import { encodeSubject, formatDn, keptSubject, sameName, subjectFieldsOf } from './names.js';

const full: SubjectFields = {
  commonName: 'www.example.com',
  country: 'CH',
  state: 'Zürich',
  location: 'Zürich',
  organization: 'Example, Inc. + "Sons"',
  organizationalUnit: '#1 Ops',
};
const one = (oid: string, value: Buffer) => der.setOf(der.sequence(der.oid(oid), value));
const printable = (text: string): fc.Arbitrary<string> =>
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((s) => !/[\p{Cc}\p{Cs}]/u.test(s))
    .map((s) => s + text);

describe('distinguished names', () => {
  it('are read back as they were written', () => {
    expect(subjectFieldsOf(encodeSubject(full))).toEqual(full);
    expect(encodeSubject({ location: '', commonName: '' }).toString('hex')).toBe('3000');
    fc.assert(
      fc.property(fc.record({ commonName: printable('x'), organization: printable('y') }), (subject) => {
        expect(subjectFieldsOf(encodeSubject(subject))).toEqual(subject);
      }),
      { numRuns: 300 },
    );
  });

  it('are formatted as openssl does (RFC 4514)', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const csr = await buildCsr({ subject: full, subjectAltNames: [] }, privateKey);
    const text = runOn(
      { 'csr.pem': csr },
      'openssl',
      'req',
      '-in',
      'csr.pem',
      '-noout',
      '-subject',
      '-nameopt',
      'rfc2253,utf8,-esc_msb',
    );
    expect(text.trim()).toBe(`subject=${formatDn(encodeSubject(full))}`);
  });

  it('are read by @peculiar/x509', () => {
    const name = new PeculiarName(encodeSubject(full));
    expect(name.getField('CN')).toEqual(['www.example.com']);
    expect(name.getField('O')).toEqual(['Example, Inc. + "Sons"']);
  });

  it.each<[string, Buffer, string]>([
    ['spaces at both ends', one('2.5.4.3', der.utf8String(' a ')), 'CN=\\ a\\ '],
    ['one space', one('2.5.4.3', der.utf8String(' ')), 'CN=\\ '],
    ['control characters', one('2.5.4.3', der.utf8String('a\nb')), 'CN=a\\0Ab'],
    ['an unknown attribute', one('1.2.3', der.utf8String('a')), '1.2.3=#0c0161'],
    ['BMPString', one('2.5.4.10', der.bmpString('Müller')), 'O=Müller'],
    ['UniversalString', one('2.5.4.10', der.tlv(0x1c, Buffer.from('0000004d000000fc', 'hex'))), 'O=Mü'],
    ['TeletexString', one('2.5.4.10', der.tlv(0x14, Buffer.from('M\xfc', 'latin1'))), 'O=Mü'],
    ['broken UTF-8', one('2.5.4.10', der.tlv(0x0c, Buffer.from([0x61, 0xff]))), 'O=a\ufffd'],
    ['NUL', one('2.5.4.3', der.utf8String('good.example\0.evil.example')), 'CN=good.example\ufffd.evil.example'],
    [
      'several attributes in one part',
      der.setOf(
        der.sequence(der.oid('2.5.4.3'), der.utf8String('a')),
        der.sequence(der.oid('2.5.4.10'), der.utf8String('b')),
      ),
      'CN=a+O=b',
    ],
  ])('shows %s', (_, relative, expected) => expect(formatDn(der.sequence(relative))).toBe(expected));

  it.each<[string, SubjectFields]>([
    ['a long common name', { commonName: 'x'.repeat(65) }],
    ['a country of three letters', { country: 'CHE' }],
    ['a country that is not ASCII', { country: 'ÄÖ' }],
    ['NUL', { commonName: 'a\0b' }],
    ['a lone surrogate', { organization: '\ud800' }],
  ])('refuse %s', (_, subject) =>
    expect(() => encodeSubject(subject)).toThrow(expect.objectContaining({ code: 'bad-name' })),
  );

  it.each([0x04, 0x0c])('join a string in parts with the tag %i (X.690 §8.23)', (tag) => {
    const parts = ['two ', 'parts'].map((text) => der.tlv(tag, Buffer.from(text)));
    const name = der.sequence(one('2.5.4.3', der.tlv(0x2c, ...parts)));
    expect(subjectFieldsOf(name)).toEqual({ commonName: 'two parts' });
  });

  it('are limited in characters, not in UTF-16 units', () => {
    expect(subjectFieldsOf(encodeSubject({ commonName: '𝒳'.repeat(64) })).commonName).toHaveLength(128);
  });

  it('match whatever their case, string type and runs of spaces', () => {
    const a = der.sequence(one('2.5.4.10', der.printableString('Example  Inc')));
    expect(sameName(a, encodeSubject({ organization: 'example inc' }))).toBe(true);
    expect(sameName(a, encodeSubject({ organization: 'example ltd' }))).toBe(false);
  });

  it('throw only PkiError when parsed', () => {
    fc.assert(
      fc.property(mutationsOf(encodeSubject(full), der.sequence(one('2.5.4.10', der.bmpString('Müller')))), (name) => {
        try {
          formatDn(name);
        } catch (error) {
          expect(error).toMatchObject({ name: 'PkiError', code: 'bad-name' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the subject of a renewal', () => {
  const attribute = (oid: string, value: Buffer) => der.sequence(der.oid(oid), value);
  const cn = attribute('2.5.4.3', der.printableString('Anna'));
  const o = attribute('2.5.4.10', der.bmpString('Example'));
  const c = attribute('2.5.4.6', der.printableString('CH'));

  it('keeps order and grouping, and encodes the texts again', () => {
    const kept = keptSubject(der.sequence(der.setOf(cn, o), der.setOf(c)));
    expect(kept && formatDn(kept)).toBe('C=CH,CN=Anna+O=Example');
    expect(kept?.includes(der.utf8String('Example'))).toBe(true);
  });

  it('is built from its members when the result is equal', () => {
    expect(keptSubject(der.sequence(der.setOf(c), der.setOf(o), der.setOf(cn)))).toBeUndefined();
    expect(keptSubject(der.sequence())).toBeUndefined();
  });

  it('keeps attributes that requests may not contain', () => {
    const name = der.sequence(der.setOf(attribute('2.5.4.6', der.printableString('USA'))));
    expect(keptSubject(name)).toEqual(name);
  });
});
