import { describe, expect, it } from 'vitest';
import type { KeyUsage } from '../../plugin-api/terms.js';
import { usagesForKey } from './request-members.js';

describe('the key usages of a successor with another type of key', () => {
  it.each<[string, readonly KeyUsage[], string, string, boolean, readonly KeyUsage[]]>([
    [
      'loses key encipherment',
      ['digitalSignature', 'keyEncipherment'],
      'RSA2048',
      'ECCPRIME256V1',
      false,
      ['digitalSignature'],
    ],
    [
      'gets key encipherment',
      ['digitalSignature'],
      'ECCPRIME256V1',
      'RSA3072',
      false,
      ['digitalSignature', 'keyEncipherment'],
    ],
    ['gets only what its profile gives', ['digitalSignature'], 'ECCPRIME256V1', 'RSA3072', true, ['digitalSignature']],
    [
      'loses key agreement',
      ['digitalSignature', 'keyAgreement'],
      'ECCSECP384R1',
      'RSA3072',
      false,
      ['digitalSignature'],
    ],
    [
      'loses it for Ed25519 too',
      ['nonRepudiation', 'keyEncipherment'],
      'RSA2048',
      'ED25519',
      false,
      ['nonRepudiation'],
    ],
    ['keeps none that fit no key', ['keyEncipherment'], 'RSA2048', 'ECCPRIME256V1', false, []],
    ['stays without any', [], 'RSA2048', 'ECCPRIME256V1', false, []],
  ])('%s: %j of a key %s for a key %s', (_, usages, from, to, byProfile, expected) => {
    expect(usagesForKey(usages, { from, to, byProfile })).toEqual(expected);
  });
});
