import { z } from 'zod';
import { Instant } from '../../platform/http/instant.js';

/** CRLReason codes of RFC 5280 §5.3.1 by the names that clients use. */
export const crlReasons = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const;
type CrlReason = keyof typeof crlReasons;

const final = (Object.keys(crlReasons) as CrlReason[]).filter(
  (reason) => reason !== 'certificateHold' && reason !== 'removeFromCRL',
);

/** A remark that the issuer gets with a revocation or a cancellation. */
export const Remark = z.string().max(1024);

/** PUT /certificates/{id}/revoke. */
export const RevokeRequest = z
  .strictObject({
    crlReason: z
      .union(
        [z.enum(final), z.literal(final.map((reason) => crlReasons[reason]))],
        `Expected one of ${final.join(', ')}: revocation is final here, so there is no hold.`,
      )
      .transform((reason) =>
        typeof reason === 'string' ? reason : (final.find((name) => crlReasons[name] === reason) ?? 'unspecified'),
      )
      .default('unspecified')
      .meta({ description: 'By name or by number. Revocation is final here, so a hold is not among the reasons.' }),
    comments: Remark.nullish(),
    invalidityDate: Instant.nullish().meta({
      description: 'From when on the key may be compromised (RFC 5280 §5.3.2); the CRL of a local CA says so.',
    }),
    replace: z
      .boolean()
      .optional()
      .meta({
        description:
          'Whether a successor with a new key is issued, and delivered before this one is removed from its ' +
          'destinations. Default: true where it rotates and is deployed.',
      }),
  })
  .meta({ id: 'RevokeRequest' });
export type RevokeRequest = z.output<typeof RevokeRequest>;

/** PUT /authorities/{id}/revoke. */
export const RevokeAuthority = RevokeRequest.omit({ replace: true }).meta({ id: 'RevokeAuthority' });
export type RevokeAuthority = z.output<typeof RevokeAuthority>;

/** POST /authorities/{id}/revocations. */
export const ImportRevocations = z
  .strictObject({
    crl: z
      .string()
      .min(1)
      .max(1_048_576)
      .meta({ description: 'The complete CRL that the CA has signed, as PEM, or its DER in base64.' }),
  })
  .meta({ id: 'ImportRevocations' });
export type ImportRevocations = z.output<typeof ImportRevocations>;

export const ImportedRevocationsView = z
  .object({
    entries: z.int().meta({ description: 'Of the CRL.' }),
    added: z.int().meta({ description: 'Entries that were not known here. 0 for a CRL that was imported before.' }),
    revoked: z.int().meta({ description: 'Certificates in the inventory that are revoked now.' }),
  })
  .meta({ id: 'ImportedRevocations' });
export type ImportedRevocationsView = z.output<typeof ImportedRevocationsView>;

/** PUT /certificates/{id}/hold. */
export const HoldBody = z.strictObject({ comments: Remark.optional() }).default({}).meta({ id: 'HoldCertificate' });
export type HoldBody = z.output<typeof HoldBody>;

/** The response of these routes: the id of the certificate. */
export const RevokedView = z.object({ id: z.int() }).meta({ id: 'CertificateId' });
