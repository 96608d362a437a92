import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SanType } from '../plugin-api/terms.js';
import { mutationsOf } from '../../test/support/x509.js';
import * as der from './der/writer.js';
import { encodeSan, normaliseSan, parseSan } from './subject-alt-name.js';

describe('subject alternative names', () => {
  it.each<[SanType, string, string]>([
    ['dns', 'WWW.Example.COM', 'www.example.com'],
    ['dns', '*.example.com', '*.example.com'],
    ['dns', 'münchen.de', 'xn--mnchen-3ya.de'],
    ['dns', '*.München.de', '*.xn--mnchen-3ya.de'],
    ['dns', 'localhost', 'localhost'],
    ['dns', '1.example', '1.example'],
    ['dns', `${'a'.repeat(63)}.b`, `${'a'.repeat(63)}.b`],
    ['ip', '192.0.2.1', '192.0.2.1'],
    ['ip', '2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['ip', '0:0:0:0:0:0:0:0', '::'],
    ['ip', '::1', '::1'],
    ['ip', 'fe80::', 'fe80::'],
    ['ip', '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['ip', '::ffff:192.0.2.1', '::ffff:c000:201'],
    ['ip', '10:0:0:10:0:0:0:1', '10:0:0:10::1'],
    ['email', 'Anna.Muster@Example.COM', 'Anna.Muster@example.com'],
    ['uri', 'spiffe://example.org/ns/a', 'spiffe://example.org/ns/a'],
    ['registeredId', '1.2.3.4', '1.2.3.4'],
  ])('%s %s becomes %s and is read back', (type, value, expected) => {
    expect(normaliseSan({ type, value })).toEqual({ type, value: expected });
    expect(parseSan(encodeSan([{ type, value }]))).toEqual({ names: [{ type, value: expected }], others: [] });
  });

  it.each<[SanType, string]>([
    ['dns', ''],
    ['dns', '*'],
    ['dns', 'a.*.example.com'],
    ['dns', 'w*.example.com'],
    ['dns', '*.*.example.com'],
    ['dns', '-a.example'],
    ['dns', 'a-.example'],
    ['dns', 'a..b'],
    ['dns', 'example.com.'],
    ['dns', 'a_b.example'],
    ['dns', 'a b.example'],
    ['dns', `${'a'.repeat(64)}.b`],
    ['dns', `${'a.'.repeat(126)}ab`],
    ['dns', '192.0.2.1'],
    ['dns', 'example.0x1'],
    ['dns', 'a\0.example'],
    ['dns', 'é@b.example'],
    ['dns', 'é%41.example'],
    ['ip', '192.0.2'],
    ['ip', '192.0.2.01'],
    ['ip', 'fe80::1%eth0'],
    ['ip', '192.0.2.0/24'],
    ['email', 'anna'],
    ['email', '@example.com'],
    ['email', 'a@b@example.com'],
    ['email', 'a b@example.com'],
    ['email', 'a@*.example.com'],
    ['email', '.a@example.com'],
    ['uri', '/path'],
    ['uri', 'http://exa mple/'],
    ['uri', 'http://é.example'],
    ['uri', 'http://['],
    ['uri', 'http://a.example\\@b.example/'],
    ['registeredId', '3.1'],
    ['registeredId', 'x'],
  ])('refuses %s "%s"', (type, value) => {
    expect(() => encodeSan([{ type, value }])).toThrow(expect.objectContaining({ name: 'PkiError', code: 'bad-name' }));
  });

  it('keeps order and drops repetitions', () => {
    const names = parseSan(
      encodeSan([
        { type: 'dns', value: 'b.example' },
        { type: 'dns', value: 'a.example' },
        { type: 'dns', value: 'B.example' },
      ]),
    ).names;
    expect(names.map(({ value }) => value)).toEqual(['b.example', 'a.example']);
  });

  it('reads names of types that are not issued as text', () => {
    const other = der.explicit(0, der.oid('1.2.3'), der.explicit(0, der.utf8String('x')));
    const oddIp = der.implicit(7, Buffer.alloc(5));
    expect(parseSan(der.sequence(other, oddIp))).toEqual({
      names: [],
      others: [
        { type: 'otherName', value: '1.2.3;UTF8:x' },
        { type: 'unknown', value: '#0000000000' },
      ],
    });
  });

  it('reads back any address', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (value) => {
        const [first] = parseSan(encodeSan([{ type: 'ip', value }])).names;
        if (value.includes(':')) expect(`[${first?.value}]`).toBe(new URL(`http://[${value}]/`).hostname);
        else expect(first?.value).toBe(value);
      }),
      { numRuns: 500 },
    );
  });

  it('throws only PkiError and DerError', () => {
    const types = fc.constantFrom<SanType>('dns', 'ip', 'email', 'uri', 'registeredId');
    fc.assert(
      fc.property(types, fc.string({ unit: 'binary' }), (type, value) => {
        try {
          encodeSan([{ type, value }]);
        } catch (error) {
          expect(error).toHaveProperty('code', 'bad-name');
        }
      }),
      { numRuns: 1000 },
    );
    const original = encodeSan([
      { type: 'dns', value: 'a.example' },
      { type: 'ip', value: '::1' },
      { type: 'registeredId', value: '1.2.3' },
    ]);
    fc.assert(
      fc.property(mutationsOf(original), (bytes) => {
        try {
          parseSan(bytes);
        } catch (error) {
          expect(error).toHaveProperty('name', 'DerError');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
