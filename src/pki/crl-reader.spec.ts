import { describe, expect, it } from 'vitest';
import { encodeCrlEntry, signCrl } from './crl.js';
import { findEntry, type ParsedCrl, parseCrl } from './crl-reader.js';
import { generatePrivateKey, keyIdentifierOf, spkiOf } from './key.js';
import { encodeSubject } from './names.js';
import { toPem } from './pem.js';
import { signatureAlgorithmOf, signerOf } from './sign.js';

const at = new Date('2026-03-01T00:00:00Z');
const serialOf = (n: number): Buffer => Buffer.from([1, n >> 16, (n >> 8) & 0xff, n & 0xff]);

async function crlOf(entries: readonly Buffer[], more: { distributionPoint?: string[]; baseNumber?: bigint } = {}) {
  const signer = signerOf(await generatePrivateKey('ECCPRIME256V1'));
  const { algorithmDer, hash } = signatureAlgorithmOf(signer);
  return signCrl(
    {
      issuerDer: encodeSubject({ commonName: 'CA' }),
      issuerKeyIdentifier: keyIdentifierOf(spkiOf(await generatePrivateKey('ECCPRIME256V1'))),
      signatureAlgorithm: algorithmDer,
      number: 2n ** 100n,
      thisUpdate: at,
      nextUpdate: new Date('2055-01-01T00:00:00Z'),
      ...more,
    },
    entries,
    (tbs) => signer.sign(hash, tbs),
  );
}

function withEntries(entriesDer: Buffer): ParsedCrl {
  return { entriesDer } as ParsedCrl;
}

describe('a CRL', () => {
  it('is read as it was written, in DER and PEM', async () => {
    const der = await crlOf([], { distributionPoint: ['http://crl.example.com/1.crl'], baseNumber: 7n });
    for (const form of [der, Buffer.from(toPem('X509 CRL', der))]) {
      expect(parseCrl(form)).toMatchObject({
        thisUpdate: at,
        nextUpdate: new Date('2055-01-01T00:00:00Z'),
        number: 2n ** 100n,
        baseNumber: 7n,
        algorithmsAgree: true,
        scope: { isIndirect: false, isRelative: false, names: [{ kind: 'uri' }] },
      });
    }
  });

  it('is searched to its end without holding up other work', async () => {
    const count = 200_000;
    const entries = Array.from({ length: count }, (_, n) =>
      encodeCrlEntry({
        serial: serialOf(n),
        revokedAt: at,
        reason: n === count - 1 ? 4 : 0,
        invalidityDate: n === count - 1 ? at : null,
      }),
    );
    const crl = parseCrl(await crlOf(entries));
    let turns = 0;
    let isDone = false;
    const others = (async () => {
      for (; !isDone; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    })();
    expect(await findEntry(crl, serialOf(count - 1))).toEqual({ revokedAt: at, reason: 'superseded', invalidAt: at });
    expect(await findEntry(crl, serialOf(0))).toEqual({ revokedAt: at });
    expect(await findEntry(crl, serialOf(count))).toBeNull();
    isDone = true;
    await others;
    expect(turns).toBeGreaterThanOrEqual(4);
  });

  it.each([
    ['an entry that is cut off', '300602010117'],
    ['an entry without a serial number', '3003010100'],
    ['what is no entry', '0400'],
  ])('is refused for %s', async (_, hex) => {
    await expect(findEntry(withEntries(Buffer.from(hex, 'hex')), Buffer.from([1]))).rejects.toMatchObject({
      code: 'malformed-crl',
    });
  });

  it.each(['', '3000', '30820000', 'deadbeef'])('is not read from %j', (hex) => {
    expect(() => parseCrl(Buffer.from(hex, 'hex'))).toThrow(expect.objectContaining({ code: 'malformed-crl' }));
  });
});
