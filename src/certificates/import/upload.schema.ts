import { z } from 'zod';
import { Reference } from '../../platform/http/reference.js';
import { OwnerName } from '../../roles/role-name.js';
import { Care, OwnName } from '../issue/issue.schema.js';

/** POST /certificates/upload: a certificate that was issued elsewhere. Certificates and keys are PEM. */
export const UploadRequest = z
  .strictObject({
    owner: OwnerName,
    name: OwnName,
    body: z.string().min(1).max(524_288).meta({
      description: 'The certificate. More certificates behind it, as in a `fullchain.pem`, are taken for its chain.',
    }),
    chain: z
      .string()
      .max(524_288)
      .nullish()
      .meta({ description: 'Issuers in order, the one that signed `body` first.' }),
    privateKey: z.string().max(65_536).nullish().meta({ writeOnly: true }),
    csr: z.string().max(65_536).nullish(),
    authority: Reference.nullish().meta({
      description: 'The authority that issued it; makes renewal and revocation possible.',
    }),
    externalId: z.string().max(128).nullish(),
    ...Care,
  })
  .meta({ id: 'UploadRequest' });
export type UploadRequest = z.output<typeof UploadRequest>;
