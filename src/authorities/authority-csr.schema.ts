import { z } from 'zod';
import { parseCsr } from '../pki/csr.js';
import { instant, InstantOut } from '../platform/http/instant.js';
import { CreateAuthority } from './authority.schema.js';
import type { AuthorityCsr } from './authority-csr.entity.js';
import { CaChainText } from './ca.schema.js';

const { shape } = CreateAuthority;

/** POST /authorities/csrs. */
export const CreateAuthorityCsr = z
  .strictObject({
    name: shape.name,
    owner: shape.owner,
    description: shape.description,
    commonName: shape.commonName.unwrap(),
    country: shape.country,
    state: shape.state,
    location: shape.location,
    organization: shape.organization,
    organizationalUnit: shape.organizationalUnit,
    keyType: shape.keyType,
    keyStore: shape.keyStore,
    pathLength: shape.pathLength.meta({ description: 'How many CAs may stand below it. Default: 0.' }),
    nameConstraints: shape.nameConstraints,
    plugin: shape.plugin,
    roles: shape.roles,
    isPrivate: shape.isPrivate,
    isCabCompliant: shape.isCabCompliant,
    isCnOptional: shape.isCnOptional,
    validityBeyondCa: shape.validityBeyondCa,
    maxValidityDays: shape.maxValidityDays,
    defaultValidityDays: shape.defaultValidityDays,
    orderDeadlineDays: shape.orderDeadlineDays,
  })
  .meta({ id: 'CreateAuthorityCsr' });
export type CreateAuthorityCsr = z.output<typeof CreateAuthorityCsr>;

/** POST /authorities/{id}/csr. */
export const RenewalCsr = z
  .strictObject({
    newKey: z
      .boolean()
      .default(false)
      .meta({ description: 'True: for a new private key. Default: for the present one.' }),
    keyType: shape.keyType.meta({ description: 'Of a new key. Default: as the present one.' }),
    keyStore: shape.keyStore.meta({ description: 'Of a new key. Default: where the present one is.' }),
  })
  .meta({ id: 'RenewalCsr' });
export type RenewalCsr = z.output<typeof RenewalCsr>;

/** POST /authorities/csrs/{id}/certificate. */
export const AuthorityCertificate = z
  .strictObject({
    chain: CaChainText.meta({ description: 'PEM: the certificate that was signed, then the CAs above it.' }),
  })
  .meta({ id: 'AuthorityCertificate' });
export type AuthorityCertificate = z.output<typeof AuthorityCertificate>;

export const AuthorityCsrView = z
  .object({
    id: z.int(),
    name: z.string().meta({ description: 'Of the authority.' }),
    authorityId: z
      .int()
      .nullable()
      .meta({ description: 'The authority that is renewed; null: one that is made when its certificate arrives.' }),
    subject: z.string(),
    keyType: z.string(),
    csr: z.string().meta({ description: 'PEM (PKCS#10): have it signed by the CA.' }),
    dateCreated: InstantOut,
  })
  .meta({ id: 'AuthorityCsr' });
export type AuthorityCsrView = z.output<typeof AuthorityCsrView>;

export function authorityCsrView({ id, name, authorityId, csrPem, createdAt }: AuthorityCsr): AuthorityCsrView {
  const { subject, keyType } = parseCsr(csrPem);
  return { id, name, authorityId, subject, keyType, csr: csrPem, dateCreated: instant(createdAt) };
}
