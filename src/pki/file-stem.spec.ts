import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileStem } from './file-stem.js';

describe('fileStem', () => {
  it.each([
    ['www.example.com', 'www.example.com'],
    ['*.example.com', '_wildcard.example.com'],
    ['*', '_wildcard'],
    ['user@example.com', 'user@example.com'],
    ['2001:db8::1', '2001_db8__1-'],
    ['../../etc/passwd', '_._.._etc_passwd-'],
    ['.', '_-'],
    ['..', '_.-'],
    ['', '-'],
    ['a\0b', 'a_b-'],
  ])('makes of %j the name %j', (commonName, stem) => {
    const hashless = (text: string): string => text.replace(/-[0-9a-f]{8}$/, '-');
    expect(hashless(fileStem(commonName))).toBe(hashless(stem));
  });

  it('keeps names distinct that differ only in forbidden characters', () => {
    const names = ['a b', 'a_b', 'a/b', 'a\\b', `${'x'.repeat(300)}1`, `${'x'.repeat(300)}2`];
    expect(new Set(names.map(fileStem)).size).toBe(names.length);
  });

  it('is a safe file name for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        expect(fileStem(text)).toMatch(/^[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,199}$/);
      }),
    );
  });
});
