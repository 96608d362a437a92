import { createPublicKey, randomBytes, verify } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { pluginContext } from '../../test/support/bundles.js';
import { runOn } from '../../test/support/x509.js';
import type { Signer } from '../plugin-api/signer.js';
import { parseCertificate, type ParsedCertificate } from './certificate.js';
import { type CrlEntry, type CrlHead, encodeCrlEntry, signCrl } from './crl.js';
import { DerReader } from './der/reader.js';
import { generatePrivateKey } from './key.js';
import { lintCrl } from './lint/lint-crl.js';
import { signatureAlgorithmOf, signerOf } from './sign.js';

const thisUpdate = new Date('2026-11-01T12:00:00Z');
const nextUpdate = new Date('2026-11-08T12:00:00Z');
const revokedAt = new Date('2026-10-30T08:09:10Z');

interface Ca {
  pem: string;
  certificate: ParsedCertificate;
  signer: Signer;
}

async function makeCa(keyType: string): Promise<Ca> {
  const signer = signerOf(await generatePrivateKey(keyType));
  const validity = { notBefore: new Date('2026-01-01'), notAfter: new Date('2056-01-01') };
  const request = { subject: { commonName: `CA ${keyType}` }, ...validity, signer };
  const made = await localCa.createAuthority?.(request, localCa.options.parse({}), pluginContext());
  const [pem = ''] = made?.chainPem ?? [];
  return { pem, certificate: parseCertificate(pem), signer };
}

function headOf({ certificate, signer }: Ca, more: Partial<CrlHead> = {}): CrlHead {
  return {
    issuerDer: certificate.subjectDer,
    issuerKeyIdentifier: Buffer.from(certificate.subjectKeyIdentifier ?? '', 'hex'),
    signatureAlgorithm: signatureAlgorithmOf(signer).algorithmDer,
    number: 7n,
    thisUpdate,
    nextUpdate,
    ...more,
  };
}

const signed = (ca: Ca, entries: readonly CrlEntry[], more: Partial<CrlHead> = {}): Promise<Buffer> =>
  signCrl(headOf(ca, more), entries.map(encodeCrlEntry), (tbs) => {
    expect(lintCrl(tbs, headOf(ca), { entries: true })).toEqual([]);
    return ca.signer.sign(signatureAlgorithmOf(ca.signer).hash, tbs);
  });
const textOf = (crl: Buffer): string =>
  runOn({ 'list.crl': crl }, 'openssl', 'crl', '-inform', 'DER', '-in', 'list.crl', '-noout', '-text').replace(
    /\s+/g,
    ' ',
  );

/** Reads to the last octet; throws when a length is wrong. */
function readsWhole(der: Buffer): { tbs: Buffer; signature: Buffer } {
  const reader = DerReader.over(der);
  const list = reader.enter();
  reader.end();
  const tbs = list.raw();
  list.next();
  const { bytes: signature } = list.bitString();
  list.end();
  return { tbs, signature };
}

let ca: Ca;
beforeAll(async () => {
  ca = await makeCa('ECCPRIME256V1');
});

describe('a CRL', () => {
  it.each(['RSA2048', 'RSA4096', 'ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1', 'ED25519'])(
    'of a CA with %s is accepted by openssl and certtool',
    async (keyType) => {
      const one = await makeCa(keyType);
      // certtool looks at its own clock.
      const times = { thisUpdate: new Date('2026-01-02'), nextUpdate: new Date('2055-01-01') };
      const entry = { serial: Buffer.from('4001', 'hex'), revokedAt: times.thisUpdate, reason: 1 };
      const der = await signed(one, [entry], times);
      const files = { 'list.crl': der, 'ca.pem': one.pem };
      const openssl = ['openssl', 'crl', '-inform', 'DER', '-in', 'list.crl', '-CAfile', 'ca.pem', '-noout'] as const;
      expect(runOn(files, 'sh', '-c', `${openssl.join(' ')} 2>&1`)).toContain('verify OK');
      const certtool =
        'openssl crl -inform DER -in list.crl -out l.pem; ' +
        'certtool --verify-crl --load-ca-certificate ca.pem --infile l.pem';
      expect(runOn(files, 'sh', '-c', certtool)).toContain('Verification output: Verified.');
      const info = runOn(files, 'certtool', '--crl-info', '--inder', '--infile', 'list.crl');
      expect(info).toMatch(/Revoked certificates \(1\)/);
    },
  );

  it('shows number, key identifier, reasons and invalidity date, and no reason where it is unspecified', async () => {
    const text = textOf(
      await signed(ca, [
        { serial: Buffer.from('0100', 'hex'), revokedAt, reason: 0 },
        { serial: Buffer.from('ff01', 'hex'), revokedAt, reason: 1, invalidityDate: new Date('2026-10-01T00:00:00Z') },
        { serial: Buffer.from('0102', 'hex'), revokedAt, reason: 6 },
      ]),
    );
    for (const shown of [
      'Version 2 (0x1)',
      'X509v3 CRL Number: 7',
      'Last Update: Nov 1 12:00:00 2026 GMT',
      'Next Update: Nov 8 12:00:00 2026 GMT',
      'Serial Number: 0100 Revocation Date: Oct 30 08:09:10 2026 GMT Serial Number: FF01',
      'X509v3 CRL Reason Code: Key Compromise Invalidity Date: Oct 1 00:00:00 2026 GMT',
      'Serial Number: 0102 Revocation Date: Oct 30 08:09:10 2026 GMT ' +
        'CRL entry extensions: X509v3 CRL Reason Code: Certificate Hold',
    ])
      expect(text).toContain(shown);
    expect(text).toContain('X509v3 Authority Key Identifier');
    expect(text).not.toContain('critical');
  });

  it('names its distribution point critically, and its delta CRL', async () => {
    const text = textOf(
      await signed(ca, [], {
        distributionPoint: ['http://pki.example.net/a.3.crl'],
        freshest: ['http://pki.example.net/a.3.delta.crl'],
      }),
    );
    expect(text).toContain(
      'X509v3 Issuing Distribution Point: critical Full Name: URI:http://pki.example.net/a.3.crl ' +
        'X509v3 Freshest CRL: Full Name: URI:http://pki.example.net/a.3.delta.crl',
    );
    expect(text).toContain('No Revoked Certificates.');
  });

  it('that is a delta names its base critically, and removes what was on hold', async () => {
    const text = textOf(await signed(ca, [{ serial: Buffer.from([5]), revokedAt, reason: 8 }], { baseNumber: 4n }));
    expect(text).toContain('X509v3 Delta CRL Indicator: critical 4');
    expect(text).toContain('X509v3 CRL Reason Code: Remove From CRL');
  });

  it('leaves the list out when it is empty, and takes a number of 20 octets', async () => {
    const der = await signed(ca, [], { number: 2n ** 159n - 1n });
    const tbs = DerReader.over(der).enter().enter();
    expect(textOf(der)).toContain('X509v3 CRL Number: 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF');
    for (let n = 0; n < 5; n++) tbs.next();
    expect(tbs.peek()).toBe(0xa0);
  });

  it('uses GeneralizedTime from 2050', async () => {
    const late = new Date('2050-01-01T00:00:00Z');
    expect(textOf(await signed(ca, [], { nextUpdate: late }))).toContain('Next Update: Jan 1 00:00:00 2050 GMT');
  });

  it('of any number of entries has each once, whatever the lengths of its headers', async () => {
    const lengths = fc.constantFrom(1, 2, 3, 5, 10, 100, 1700);
    await fc.assert(
      fc.asyncProperty(lengths, fc.integer({ min: 1, max: 19 }), async (count, octets) => {
        const entries = Array.from({ length: count }, (_, n) => {
          const serial = Buffer.concat([Buffer.from([1]), randomBytes(octets)]);
          serial.writeUInt16BE(n, Math.max(0, serial.length - 2));
          return { serial, revokedAt, reason: 4 };
        });
        const der = await signed(ca, entries);
        readsWhole(der);
        const list = runOn(
          { 'l.crl': der, 'ca.pem': ca.pem },
          'sh',
          '-c',
          'openssl crl -inform DER -in l.crl -CAfile ca.pem -noout -text 2>&1',
        );
        expect(list).toContain('verify OK');
        expect(list.match(/Serial Number: /g)).toHaveLength(count);
      }),
      { numRuns: 12 },
    );
  });

  it('of 300,000 entries lets other work through between slices', async () => {
    const entry = encodeCrlEntry({ serial: Buffer.from('4001', 'hex'), revokedAt, reason: 1 });
    const part = Buffer.concat(Array.from({ length: 100_000 }, () => entry));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const der = await signCrl(headOf(ca), [part, part, part], (tbs) => ca.signer.sign('sha256', tbs));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    const key = createPublicKey({ key: ca.signer.spkiDer, format: 'der', type: 'spki' });
    const { tbs, signature } = readsWhole(der);
    expect(verify('sha256', tbs, key, signature)).toBe(true);
  });
});
