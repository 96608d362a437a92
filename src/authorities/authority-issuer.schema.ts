import { z } from 'zod';
import { serialDecimal } from '../pki/serial.js';
import { instant, InstantOut } from '../platform/http/instant.js';
import { type AuthorityIssuer, issuerOrigins } from './authority-issuer.entity.js';
import { type AuthorityCreator, CaChainText } from './authority.schema.js';

/** POST /authorities/{id}/issuers. */
export const AddIssuer = z
  .strictObject({ chain: CaChainText.meta({ description: 'PEM: the CA certificate first, then the CAs above it.' }) })
  .meta({ id: 'AddIssuer' });
export type AddIssuer = z.output<typeof AddIssuer>;

export const AuthorityIssuerView = z
  .object({
    current: z.boolean().meta({ description: 'True for the certificate that the authority shows as its own.' }),
    subject: z.string(),
    serial: z.string(),
    keyIdentifier: z.string().nullable(),
    sha256: z.string(),
    notBefore: InstantOut,
    notAfter: InstantOut,
    body: z.string(),
    chain: z.string().nullable(),
    origin: z.enum(issuerOrigins).meta({
      description: 'Made with the authority, told by the issuer when it was asked, or uploaded by a person.',
    }),
    since: InstantOut,
    user: z.string().nullable().meta({ description: 'The name of the user who added it.' }),
  })
  .meta({ id: 'AuthorityIssuer' });
export type AuthorityIssuerView = z.output<typeof AuthorityIssuerView>;

/** `current`: the fingerprint of the authority's own certificate. */
export function authorityIssuerView(
  issuer: Omit<AuthorityIssuer, 'id'>,
  current: string,
  user: AuthorityCreator['username'] | null,
): AuthorityIssuerView {
  return {
    current: issuer.sha256 === current,
    subject: issuer.subject,
    serial: serialDecimal(issuer.serialHex),
    keyIdentifier: issuer.keyIdentifier,
    sha256: issuer.sha256,
    notBefore: instant(issuer.notBefore),
    notAfter: instant(issuer.notAfter),
    body: issuer.certificatePem,
    chain: issuer.chainPem.join('') || null,
    origin: issuer.origin,
    since: instant(issuer.createdAt),
    user,
  };
}
