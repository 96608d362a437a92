import { z } from 'zod';
import { Reference } from '../../platform/http/reference.js';
import { OwnerName } from '../../roles/role-name.js';
import { Care } from '../issue/issue.schema.js';

/** The maximum number of certificates in one request. */
export const mostAtOnce = 200;
/** Certificates of one request, those of CAs included: each may be the issuer of each. */
export const mostRead = 500;
/** Iterations of key derivation in one request: what 200 files that this program writes take, and then some. */
export const mostIterations = 100_000_000;

/** What all certificates of a bulk upload have in common. */
export const BulkCare = {
  owner: OwnerName,
  authority: Reference.nullish().meta({ description: 'The authority that issued them.' }),
  rotation: Care.rotation,
  rotationPolicy: Care.rotationPolicy,
  notify: Care.notify,
  labels: Care.labels,
};
export type BulkCare = z.output<z.ZodObject<typeof BulkCare>>;

/** POST /certificates/upload/bulk: files with certificates, keys and chains in any order. */
export const BulkUploadRequest = z
  .strictObject({
    ...BulkCare,
    pem: z
      .string()
      .min(1)
      .max(1_000_000)
      .optional()
      .meta({ writeOnly: true, description: 'Any number of PEM blocks.' }),
    zip: z.base64().min(1).max(1_000_000).optional().meta({
      writeOnly: true,
      description: 'A ZIP archive of PEM, DER, PKCS#7, PKCS#12 and JKS files, in base64.',
    }),
    passphrases: z.array(z.string().max(128)).max(16).default([]).meta({
      writeOnly: true,
      description: 'Tried on every PKCS#12 and JKS file, for PKCS#12 the one that opened the last file first.',
    }),
    dryRun: z.boolean().default(false).meta({ description: 'Only check what would be imported.' }),
  })
  .refine(({ pem, zip }) => (pem === undefined) !== (zip === undefined), {
    message: 'Give either pem or zip.',
    path: ['pem'],
  })
  .meta({
    id: 'BulkUploadRequest',
    description:
      `At most ${mostAtOnce} certificates, and ${mostRead} with those of CAs. PKCS#12 files together may take ` +
      `${mostIterations / 1e6} million iterations of key derivation, over all passphrases that are tried on them; the ` +
      'files after that fail.',
  });
export type BulkUploadRequest = z.output<typeof BulkUploadRequest>;

const Item = z
  .object({
    path: z.string().meta({ description: 'The file in the archive; `pem` for PEM blocks.' }),
    cn: z.string().nullable(),
    outcome: z.enum(['imported', 'known', 'found', 'skipped', 'failed']).meta({
      description:
        '`found`: it would be imported. `known`: it is here already. `skipped`: a CA certificate, part of chains only.',
    }),
    id: z.int().nullable(),
    detail: z.string(),
  })
  .meta({ id: 'BulkUploadItem' });
/** The outcome for one certificate, or for a file that cannot be read. */
export type BulkUploadItem = z.output<typeof Item>;

export const BulkUploadView = z
  .object({ dryRun: z.boolean(), items: z.array(Item), imported: z.int(), failed: z.int() })
  .meta({ id: 'BulkUpload' });
export type BulkUploadView = z.output<typeof BulkUploadView>;
