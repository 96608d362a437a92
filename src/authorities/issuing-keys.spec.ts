import { describe, expect, it } from 'vitest';
import { issuingKeys } from './issuing-keys.js';

const certificate = (certificatePem: string, keyId: number | null, year: number) => ({
  certificatePem,
  chainPem: [],
  keyId,
  notAfter: new Date(Date.UTC(year, 0)),
});

describe('the keys of an authority', () => {
  it('have the certificate that ends last, although a shorter one is chosen, the present key first', () => {
    const chosen = certificate('short', 7, 2030);
    const others = [certificate('earlier key', 3, 2050), certificate('long', 7, 2040), chosen];
    const keys = issuingKeys(chosen, others).map(({ keyId, certificatePem, certificates }) => ({
      keyId,
      certificatePem,
      all: certificates.map((one) => one.certificatePem),
    }));
    expect(keys).toEqual([
      { keyId: 7, certificatePem: 'long', all: ['long', 'short', 'short'] },
      { keyId: 3, certificatePem: 'earlier key', all: ['earlier key'] },
    ]);
  });

  it('are none when they are elsewhere', () => {
    expect(issuingKeys(certificate('own', null, 2030), [certificate('other', null, 2040)])).toEqual([]);
  });
});
