import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certificateName, nameInLocation, nameWithSerial } from './iam-name.js';

const IAM_NAME = /^[\w+=,.@-]{1,128}$/;

describe('certificateName', () => {
  it.each([
    ['www.example.com-20260101', 'www.example.com-20260101'],
    ['*.example.com', 'STAR.example.com'],
    ['Jörg/Müller:1', 'J-rg-M-ller-1'],
    ['', '-'],
  ])('makes of %j the name %j', (text, name) => {
    expect(certificateName(text)).toBe(name);
  });

  it('returns a valid IAM name for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(certificateName(text)).toMatch(IAM_NAME);
      }),
    );
  });
});

describe('nameWithSerial', () => {
  it('truncates the name, never the serial number', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), fc.stringMatching(/^[0-9a-f]{2,40}$/), (text, serialHex) => {
        expect(nameWithSerial(text, serialHex)).toMatch(IAM_NAME);
        expect(nameWithSerial(text, serialHex).endsWith(`-${serialHex}`)).toBe(true);
      }),
    );
  });
});

describe('nameInLocation', () => {
  it.each([
    'arn:aws:iam::123456789012:server-certificate/cloudfront/x/a.test',
    'arn:aws:iam::123456789012:server-certificate/a.test',
    '/a.test',
  ])('finds the name in %s', (location) => {
    expect(nameInLocation(location)).toBe('a.test');
  });
});
