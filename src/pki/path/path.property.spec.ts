import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseCertificate, type ParsedCertificate } from '../certificate.js';
import { parseCrl } from '../crl-reader.js';
import { statusByCrl } from '../crl-status.js';
import { parsePem } from '../pem.js';
import { PkiError } from '../pki-error.js';
import { mutationsOf } from '../../../test/support/x509.js';
import { verifyPath } from './verify-path.js';

const file = join(__dirname, '../../../test/fixtures/x509-limbo/limbo.json');
const { testcases } = z
  .object({
    testcases: z.array(
      z.object({
        trusted_certs: z.array(z.string()),
        untrusted_intermediates: z.array(z.string()),
        peer_certificate: z.string(),
        crls: z.array(z.string()).default([]),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(file, 'utf8')));

const at = new Date('2026-06-29T00:00:00Z');
const ders = testcases
  .flatMap((limbo) => [
    limbo.peer_certificate,
    ...limbo.trusted_certs.slice(0, 1),
    ...limbo.untrusted_intermediates.slice(0, 2),
  ])
  .map((pem) => parsePem(pem, 'CERTIFICATE')[0] ?? Buffer.alloc(0))
  .filter(({ length }) => length < 4000);
const crlDers = testcases.flatMap(({ crls }) => crls.map((pem) => parsePem(pem, 'X509 CRL')[0] ?? Buffer.alloc(0)));

function readOrNull(der: Buffer): ParsedCertificate | null {
  try {
    return parseCertificate(der);
  } catch (error) {
    expect(error).toBeInstanceOf(PkiError);
    return null;
  }
}

describe('damaged input', () => {
  it('gives a verdict on whatever certificates can be parsed, and throws nothing', async () => {
    const certificates = fc.array(mutationsOf(...ders), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(certificates, async (damages) => {
        const [leaf, ...others] = damages.map(readOrNull).filter((one) => one !== null);
        if (!leaf) return;
        const verdict = await verifyPath(
          { leaf, intermediates: others, anchors: [...others.slice(-1), ...(others.length > 2 ? [leaf] : [])] },
          { at, strictness: 'webpki', purposes: ['1.3.6.1.5.5.7.3.1'], policies: { required: true } },
        );
        expect(verdict.valid).toBe(verdict.faults.length === 0);
        expect(verdict.path[0]).toBe(leaf);
      }),
      { numRuns: 1500 },
    );
  });

  it('gives a status by whatever CRL can be parsed, and never calls a damaged one good', async () => {
    const [limbo] = testcases.filter(({ crls }) => crls.length > 0);
    const certificate = parseCertificate(limbo?.peer_certificate ?? '');
    const issuer = parseCertificate(limbo?.trusted_certs[0] ?? '');
    const intact = crlDers[0] ?? Buffer.alloc(0);
    await fc.assert(
      fc.asyncProperty(mutationsOf(...crlDers), async (der) => {
        try {
          const { status } = await statusByCrl(parseCrl(der), { certificate, issuer, at });
          expect(status).toBe(der.equals(intact) ? 'revoked' : 'unknown');
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
