import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectName, secretName } from './secret-name.js';

describe('the name of a secret', () => {
  const hashless = (text: string): string => text.replace(/-[0-9a-f]{8}$/, '-');

  it.each([
    ['{commonName}', 'www.example.com', 'www.example.com'],
    ['{commonName}-tls', 'WWW.example.com', 'www.example.com-tls'],
    ['web', 'www.example.com', 'web'],
    ['{commonName}', '*.example.com', 'wildcard.example.com'],
    ['{commonName}', '*', 'wildcard'],
    ['{commonName}', 'wildcard.example.com', 'wildcard.example.com-'],
    ['{commonName}', 'user@example.com', 'user-example.com-'],
    ['{commonName}', '2001:db8::1', '2001-db8--1-'],
    ['{commonName}', '../../x', 'x-'],
    ['{commonName}-tls', 'Example Service', 'example-service-tls-'],
  ])('from %s for %s is %s', (template, commonName, name) => {
    expect(hashless(secretName(template, commonName))).toBe(name);
  });

  it('is a DNS subdomain of at most 253 characters for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const name = secretName('{commonName}', text);
        expect(name).toMatch(objectName);
        expect(name.length).toBeLessThanOrEqual(253);
      }),
    );
  });

  it('is another one for names that differ in more than the case of letters', () => {
    const names = ['a b', 'a-b', 'a_b', 'a@b', '-a-b', `${'x'.repeat(300)}1`, `${'x'.repeat(300)}2`];
    expect(new Set(names.map((name) => secretName('{commonName}', name))).size).toBe(names.length);
  });
});
