import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDn } from './dn-text.js';
import * as der from './der/writer.js';
import { encodeName, encodeSubject, formatDn, type NameAttribute } from './names.js';
import { PkiError } from './pki-error.js';

const written = (text: string): string => formatDn(parseDn(text).der);
const hexOf = (value: string): string => `#${der.utf8String(value).toString('hex')}`;

describe('the text of a distinguished name', () => {
  it('is read as RFC 4514 has it: the most specific part first', () => {
    const { der: nameDer } = parseDn('CN=api.example.com,O=Acme Corp,C=US');
    expect(nameDer).toEqual(encodeSubject({ commonName: 'api.example.com', organization: 'Acme Corp', country: 'US' }));
  });

  it('keeps every attribute, repeated ones and several of one part, in order', () => {
    for (const text of [
      'CN=www.example.com,CN=example.com,OU=Web,OU=Ops,O=Example',
      'DC=www,DC=example,DC=com',
      'C=DE,ST=Berlin,L=Berlin,O=Example,CN=odd order',
      'CN=Joe+UID=joe,O=Example',
      'serialNumber=42,emailAddress=joe@example.com,STREET=Main St. 1',
    ])
      expect(written(text)).toBe(text);
  });

  it.each([
    ['cn = a , O= Acme Corp ,  C=US', 'CN=a,O=Acme Corp,C=US'],
    ['2.5.4.3=a,2.5.4.10=Acme', 'CN=a,O=Acme'],
    [String.raw`CN=Acme\, Inc.`, String.raw`CN=Acme\, Inc.`],
    [String.raw`CN=\23\20a\20`, String.raw`CN=\# a\ `],
    [String.raw`CN=Lu\C4\8Di\C4\87`, 'CN=Lučić'],
    ['CN=Zürich Größe', 'CN=Zürich Größe'],
    [String.raw`CN=a=b\\c\"d\"`, String.raw`CN=a=b\\c\"d\"`],
    [`CN=${hexOf('Acme, Inc.')},O=b`, String.raw`CN=Acme\, Inc.,O=b`],
  ])('%s is %s', (text, expected) => {
    expect(written(text)).toBe(expected);
  });

  it.each([
    '',
    'api.example.com',
    'CN=',
    'CN=a,',
    'CN=a,,O=b',
    'CN=a;O=b',
    'CN="a, b"',
    'CN=a<b',
    'CN=Google+',
    'CN=#1 Ops',
    'CN=#0500',
    String.raw`CN=a\x`,
    'CN=a\\',
    String.raw`CN=\ff`,
    'CN=a\0b',
    'FOO=bar',
    '1=a',
    'C=Germany',
    'CN=a+CN=b',
    `CN=${'a'.repeat(65)}`,
    `${'OU=a,'.repeat(64)}CN=a`,
  ])('%j is refused with a reason', (text) => {
    expect(() => parseDn(text)).toThrow(PkiError);
    expect(() => parseDn(text)).toThrow(expect.objectContaining({ code: 'bad-name' }));
  });

  it('is read back from whatever is printed of a name', () => {
    const value = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((text) => text.trim() !== '' && !/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Cn}\ufffd]/u.test(text));
    const attribute = fc
      .record({ oid: fc.constantFrom('2.5.4.3', '2.5.4.10', '2.5.4.11', '2.5.4.42'), text: value })
      .map(({ oid, text }): NameAttribute => ({ oid, text, der: der.utf8String(text) }));
    const relative = fc.uniqueArray(attribute, { minLength: 1, maxLength: 3, selector: ({ oid }) => oid });
    fc.assert(
      fc.property(fc.array(relative, { minLength: 1, maxLength: 6 }), (name) => {
        const nameDer = encodeName(name);
        expect(parseDn(formatDn(nameDer)).der).toEqual(nameDer);
      }),
      { numRuns: 300 },
    );
  });

  it('that is long is read in a moment, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'CN=a,+\\# ";<>0'), maxLength: 400 }), (text) => {
        try {
          parseDn(text);
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
