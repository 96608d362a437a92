import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePem, pemParts, splitCertificates, toPem } from './pem.js';
import { PkiError } from './pki-error.js';

const block = toPem('CERTIFICATE', Buffer.from('one'));

describe('PEM', () => {
  it('reads blocks with text around them, CRLF and other labels between', () => {
    const key = toPem('PRIVATE KEY', Buffer.from('key'));
    const crlf = block.replaceAll('\n', '\r\n');
    const text = `subject=CN = a\r\n${crlf}Bag Attributes\n${key}${toPem('CERTIFICATE', Buffer.from('two'))}`;
    expect(parsePem(text, 'CERTIFICATE').map(String)).toEqual(['one', 'two']);
    expect(splitCertificates(text)).toEqual([block, toPem('CERTIFICATE', Buffer.from('two'))]);
  });

  it('reads every block of files joined without a newline', () => {
    expect(parsePem(block.trim() + block, 'CERTIFICATE')).toHaveLength(2);
  });

  it('writes lines of 64 characters', () => {
    const lines = toPem('X', Buffer.alloc(100)).split('\n');
    expect(lines.map((line) => line.length)).toEqual([17, 64, 64, 8, 15, 0]);
  });

  it.each([0, 1, 100, 960_000, 960_001, 3_000_000])('writes the same in parts: %d octets', (length) => {
    const der = Buffer.alloc(length, 7);
    expect([...pemParts('X', der)].join('')).toBe(toPem('X', der));
  });

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), (bytes) => {
        expect(parsePem(toPem('CERTIFICATE', Buffer.from(bytes)), 'CERTIFICATE')).toEqual([Buffer.from(bytes)]);
      }),
      { numRuns: 300 },
    );
  });

  it('skips headers', () => {
    expect(parsePem(block.replace('b25l', 'subject: one\nissuer: two\n\nb25l'), 'CERTIFICATE')).toEqual([
      Buffer.from('one'),
    ]);
  });

  it.each([
    ['nothing', ''],
    ['another label', toPem('PRIVATE KEY', Buffer.from('key'))],
    ['no end', block.replace(/-----END.*/, '')],
    ['another end', block.replace('END CERTIFICATE', 'END X')],
    ['foreign characters', block.replace('b25l', 'b2 %l')],
    ['a missing character', block.replace('b25l', 'b25')],
    ['an encrypted body', block.replace('b25l', 'Proc-Type: 4,ENCRYPTED\n\nb25l')],
    ['an empty body', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
  ])('refuses %s', (_, text) => {
    expect(() => parsePem(text, 'CERTIFICATE')).toThrow(PkiError);
  });

  it('throws only PkiError', () => {
    const noise = fc
      .array(
        fc.constantFrom(
          '-----BEGIN CERTIFICATE-----',
          '-----END CERTIFICATE-----',
          '\n',
          '\r\n',
          'AAAA',
          '=',
          '-',
          ' ',
          'é',
        ),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string(), noise), (text) => {
        try {
          parsePem(text, 'CERTIFICATE');
        } catch (error) {
          expect(error).toMatchObject({ name: 'PkiError', code: 'malformed-pem' });
        }
      }),
      { numRuns: 500 },
    );
  });
});
