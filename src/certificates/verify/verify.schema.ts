import { z } from 'zod';
import { extendedKeyUsageOid } from '../../pki/extensions.js';
import { PATH_CHECKS, STRICTNESS } from '../../pki/path/faults.js';
import { PkiError } from '../../pki/pki-error.js';
import { Instant, InstantOut } from '../../platform/http/instant.js';
import { revocationSources } from '../../revocation/verify/revocation-check.js';
import { trustSources } from '../../revocation/verify/trust-anchors.js';
import { checkedStatuses } from './revocation-check.repository.js';

const Purpose = z
  .string()
  .max(128)
  .transform((purpose, ctx) => {
    try {
      return extendedKeyUsageOid(purpose);
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      ctx.addIssue({ code: 'custom', message: 'Expected a purpose such as serverAuth, or an OID' });
      return z.NEVER;
    }
  });

const Oid = z.string().regex(/^[012](\.\d{1,20}){1,32}$/, 'Expected an OID');
const Pem = z.string().min(1).max(524_288);

/** What a verification is asked about a certificate. */
const demands = {
  purpose: Purpose.optional().meta({
    description: 'What the certificate must be good for: serverAuth, clientAuth, emailProtection … or an OID.',
  }),
  name: z.string().min(1).max(320).optional().meta({
    description: 'A host, an IP address or a mailbox that must be among the SANs (RFC 9525).',
  }),
  time: Instant.optional().meta({ description: 'The moment that counts; default: now.' }),
  strictness: z
    .enum(STRICTNESS)
    .default('path')
    .meta({
      description:
        '`path`: RFC 5280 §6, what every client demands. `rfc5280`: every certificate also keeps to §4. `webpki`: ' +
        'also to the Baseline Requirements for TLS servers.',
    }),
  policies: z.array(Oid).max(50).optional().meta({ description: 'OIDs of policies, of which one must hold.' }),
  trust: z
    .array(z.enum(trustSources))
    .max(2)
    .optional()
    .meta({
      description:
        'Which CA certificates are trusted: of the `authorities` here, of the operating `system`. Default: both, and ' +
        'neither when `anchors` are given.',
    }),
  anchors: Pem.optional().meta({ description: 'CA certificates that are trusted, in PEM.' }),
  revocation: z.boolean().default(true).meta({
    description: 'Whether the CAs on the path are asked if anything on it is revoked.',
  }),
};

/** POST /verify. */
export const VerifyRequest = z
  .strictObject({
    chain: Pem.meta({
      description: 'The certificate first, then the intermediates in any order: PEM, PKCS#7 in PEM, or base64 of DER.',
    }),
    crls: z.array(Pem).max(10).default([]).meta({ description: 'CRLs in PEM, looked at before any is fetched.' }),
    ...demands,
  })
  .meta({ id: 'VerifyRequest' });
export type VerifyRequest = z.output<typeof VerifyRequest>;

/** POST /certificates/{id}/verify: as `VerifyRequest`, for a stored certificate and its chain. */
export const VerifyStoredRequest = z.strictObject(demands).prefault({}).meta({ id: 'VerifyStoredRequest' });
export type VerifyStoredRequest = z.output<typeof VerifyStoredRequest>;

const position = z.int().meta({ description: 'Position in `path`; 0 is the leaf.' });
const Fault = z.object({
  certificate: position,
  detail: z.string(),
  source: z.string().meta({ description: 'Section of the standard.' }),
});

/** The last result of a revocation check, as a certificate shows it. */
export const RevocationCheckView = z
  .object({
    status: z.enum(checkedStatuses),
    why: z.string(),
    source: z.enum(revocationSources),
    at: InstantOut,
  })
  .meta({ id: 'RevocationCheck' });

export const VerifyView = z
  .object({
    verdict: z.enum(['valid', 'invalid', 'revoked', 'unknown']).meta({
      description:
        '`invalid`: no valid path to a trusted CA. `revoked`: there is a path, but something on it is revoked. ' +
        '`unknown`: there is a path, but nobody could tell whether everything on it is in force.',
    }),
    why: z.string(),
    path: z
      .array(
        z.object({
          subject: z.string(),
          issuer: z.string(),
          serial: z.string().meta({ description: 'Decimal.' }),
          fingerprint: z.string().meta({ description: 'SHA-256, hex.' }),
          notBefore: InstantOut,
          notAfter: InstantOut,
          body: z.string(),
        }),
      )
      .meta({ description: 'Leaf first, up to the trusted CA; the most hopeful one where none is valid.' }),
    checks: z.array(z.object({ check: z.enum(PATH_CHECKS), passed: z.boolean(), faults: z.array(Fault) })),
    warnings: z.array(Fault).meta({ description: 'Deviations from RFC 5280 that this strictness tolerates.' }),
    revocation: z
      .array(
        z.object({
          certificate: position,
          status: z.enum(checkedStatuses),
          why: z.string(),
          source: z.enum(revocationSources),
          revokedAt: InstantOut.nullable(),
          reason: z.string().nullable(),
        }),
      )
      .meta({ description: 'Of each certificate of a valid path but the trusted CA.' }),
  })
  .meta({ id: 'Verified' });
export type VerifyView = z.output<typeof VerifyView>;
