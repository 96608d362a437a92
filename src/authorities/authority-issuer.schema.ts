import { z } from 'zod';
import { serialDecimal } from '../pki/serial.js';
import { instant, InstantOut } from '../platform/http/instant.js';
import { type AuthorityIssuer, issuerOrigins } from './authority-issuer.entity.js';
import { Reference } from '../platform/http/reference.js';
import type { AuthorityCreator } from './authority.schema.js';
import { CaChainText, CaValidity, KeyStoreChoice, oneLength } from './ca.schema.js';

/** POST /authorities/{id}/issuers. */
export const AddIssuer = z
  .strictObject({ chain: CaChainText.meta({ description: 'PEM: the CA certificate first, then the CAs above it.' }) })
  .meta({ id: 'AddIssuer' });
export type AddIssuer = z.output<typeof AddIssuer>;

/** POST /authorities/{id}/renew. */
export const RenewAuthority = z
  .strictObject({
    newKey: z
      .boolean()
      .default(false)
      .meta({ description: 'True: for a new private key. Default: for the present one.' }),
    keyType: z.string().max(40).optional().meta({ description: 'Of a new key. Default: as the present one.' }),
    keyStore: KeyStoreChoice.meta({ description: 'Of a new key. Default: where the present one is.' }),
    parent: Reference.optional().meta({
      description:
        'Another authority that signs the present key: an alternate chain, which is not used unless it is chosen. ' +
        'Default: the parent, or for a root its own key; the authority issues with the new certificate from now on.',
    }),
    ...CaValidity,
  })
  .refine((r) => r.newKey || r.keyType === undefined, {
    message: 'Only a new key has a type to choose.',
    path: ['keyType'],
  })
  .refine((r) => !r.newKey || r.parent === undefined, {
    message: 'Another authority signs the present key only.',
    path: ['newKey'],
  })
  .refine(...oneLength)
  .meta({ id: 'RenewAuthority' });
export type RenewAuthority = z.output<typeof RenewAuthority>;

/** PUT /authorities/{id}/issuers/current. */
export const ChooseIssuer = z
  .strictObject({
    sha256: z
      .string()
      .toLowerCase()
      .regex(/^[0-9a-f]{64}$/)
      .meta({ description: 'The fingerprint of one of the certificates of the authority.' }),
  })
  .meta({ id: 'ChooseIssuer' });
export type ChooseIssuer = z.output<typeof ChooseIssuer>;

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
      description:
        'Made with the authority (`created`), told by the issuer when it was asked, uploaded by a person, made when ' +
        'the authority was renewed, or signed by another authority for the same key.',
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
