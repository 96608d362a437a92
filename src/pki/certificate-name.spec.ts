import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certificateName, freeName, slug, withSerial } from './certificate-name.js';

const example = {
  commonName: 'example.com',
  sans: [] as string[],
  issuer: { organization: 'Example Inc,', selfSigned: false },
  notBefore: new Date('2015-05-07T00:00:00Z'),
  notAfter: new Date('2015-05-12T00:00:00Z'),
};

describe('certificate names', () => {
  it.each([
    ['plain', {}, 'example.com-ExampleInc-20150507-20150512'],
    ['one SAN', { sans: ['example.com'] }, 'example.com-ExampleInc-20150507-20150512'],
    ['two SANs', { sans: ['example.com', 'www.example.com'] }, 'SAN-example.com-ExampleInc-20150507-20150512'],
    ['a wildcard', { commonName: '*.example.com' }, 'WILDCARD.example.com-ExampleInc-20150507-20150512'],
    ['no common name', { commonName: undefined, sans: ['a.example'] }, 'a.example-ExampleInc-20150507-20150512'],
    [
      'an empty common name, several SANs',
      { commonName: '', sans: ['*.a.example', 'b'] },
      'SAN-WILDCARD.a.example-ExampleInc-20150507-20150512',
    ],
    ['no name at all', { commonName: undefined }, 'ExampleInc-20150507-20150512'],
    [
      'an issuer with a common name',
      { issuer: { commonName: 'My CA 1', organization: 'x', selfSigned: false } },
      'example.com-MyCA1-20150507-20150512',
    ],
    [
      'an issuer with accents',
      { issuer: { commonName: 'Vertrauenswürdig Autorität', selfSigned: false } },
      'example.com-VertrauenswurdigAutoritat-20150507-20150512',
    ],
    ['an issuer without a name', { issuer: { selfSigned: false } }, 'example.com-unknown-20150507-20150512'],
    [
      'self-signed',
      { issuer: { commonName: 'example.com', selfSigned: true } },
      'example.com-selfsigned-20150507-20150512',
    ],
    ['punycode', { commonName: 'xn--mnchen-3ya.de' }, 'xn--mnchen-3ya.de-ExampleInc-20150507-20150512'],
  ])('%s', (_, change, expected) => expect(certificateName({ ...example, ...change })).toBe(expected));

  it.each([
    ['föö bär', '-', 'foo-bar'],
    ['test - string', '-', 'test-string'],
    ['test - string', '', 'teststring'],
    ['\u2603', '-', ''],
    ['\u2603test\u2603', '-', 'test'],
    ['snow\u2603man', '-', 'snow-man'],
    ['snow\u2603man', '', 'snowman'],
    ['xn--i1b6eqas.xn--xmpl-loa9b3671b.com', '-', 'xn--i1b6eqas.xn--xmpl-loa9b3671b.com'],
    ['ﬁne', '-', 'fine'],
  ])('slug of %s with "%s"', (text, joiner, expected) => expect(slug(text, joiner)).toBe(expected));

  it('truncates long input', () => {
    expect(slug('-'.repeat(10_000))).toBe('');
    expect(slug('a'.repeat(10_001))).toBe('a'.repeat(10_000));
    const long = {
      commonName: 'a'.repeat(5000),
      sans: [],
      issuer: { commonName: 'b'.repeat(9000), selfSigned: false },
    };
    const dates = { notBefore: new Date('2026-01-01'), notAfter: new Date('0000-12-31') };
    expect(certificateName({ ...long, ...dates })).toBe(`${'a'.repeat(253)}-${'b'.repeat(128)}-20260101-00001231`);
  });

  it('adds the serial number, then a count', () => {
    expect(withSerial('a-b', 'aff2dd4f')).toBe('a-b-AFF2DD4F');
    expect(withSerial('a-b', 'AFF2DD4F', 2)).toBe('a-b-AFF2DD4F-2');
  });
});

describe('a free name', () => {
  it('is the plain name, then the name with the serial number, then a counter above the highest', () => {
    const free = (...taken: string[]): string => freeName('x', 'aff2', new Set(taken));
    expect(free()).toBe('x');
    expect(free('x')).toBe('x-AFF2');
    expect(free('x', 'x-AFF2')).toBe('x-AFF2-1');
    expect(free('x', 'x-AFF2', 'x-AFF2-1', 'x-AFF2-7', 'x-AFF2-y', 'x-AFF2-3-9')).toBe('x-AFF2-8');
    expect(free('x', 'x-AFF2', 'x-AFF2-999999999', 'x-AFF2-1000000000')).toBe('x-AFF2-1000000001');
  });

  it('is never a taken name, however many are assigned', () => {
    const name = fc.stringMatching(/^[a-z.-]{1,4}(-AF(-[0-9]{1,3}){0,2})?$/);
    fc.assert(
      fc.property(name, fc.array(name), fc.nat(12), (wanted, others, count) => {
        const taken = new Set(others);
        for (let i = 0; i < count; i += 1) {
          const found = freeName(wanted, 'af', taken);
          expect(taken.has(found)).toBe(false);
          expect(found).toMatch(new RegExp(`^${wanted.replaceAll('.', '\\.')}(-AF(-[1-9]\\d*)?)?$`));
          taken.add(found);
        }
      }),
    );
  });
});
