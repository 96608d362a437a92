import { z } from 'zod';
import { Label } from '../../notifications/subscription.schema.js';
import { Instant, yearsUpTo } from '../../platform/http/instant.js';
import { Reference } from '../../platform/http/reference.js';
import { OwnerName } from '../../roles/role-name.js';
import { certificateAsRead } from '../certificate.schema.js';
import { Extensions } from './extensions.schema.js';

const subjectPart = (description: string): z.ZodOptional<z.ZodString> =>
  z.string().max(128).optional().meta({ description });

/** The name that a request chooses for a certificate. An empty name counts as none, as Lemur's clients send it. */
export const OwnName = z
  .string()
  .max(256)
  .transform((name) => (name === '' ? undefined : name))
  .optional();

/** The members of a request about management: notices, rotation and links. Shared by issue, import and update. */
export const Care = {
  description: z.string().max(1024).nullish(),
  labels: z
    .array(Label)
    .max(20)
    .transform((labels) => [...new Set(labels)].sort())
    .optional()
    .meta({ description: 'Words to find certificates by and to subscribe to, in lower case. Successors keep them.' }),
  notify: z.boolean().optional(),
  active: z.boolean().optional().meta({ description: 'Older name of `notify`.' }),
  rotation: z
    .boolean()
    .optional()
    .meta({ description: 'Renew by itself. Default: true when a rotation policy is named, else false.' }),
  rotationPolicy: Reference.optional(),
  destinations: z.array(Reference).max(100).optional(),
  notifications: z.array(Reference).max(100).optional(),
  replaces: z.array(Reference).max(100).optional(),
  replacements: z.array(Reference).max(100).optional().meta({ description: 'Older name of `replaces`.' }),
  roles: z.array(Reference).max(100).optional(),
};

/** The members of a request about what is to be in the certificate. */
const content = {
  owner: OwnerName,
  commonName: z.string().max(64).optional(),
  country: subjectPart('Two letters.'),
  state: subjectPart('State or province.'),
  location: subjectPart('City. An empty text leaves the default out.'),
  organization: subjectPart('Organisation.'),
  organizationalUnit: subjectPart('Part of the organisation.'),
  validityStart: Instant.optional(),
  validityEnd: Instant.optional(),
  validityYears: yearsUpTo(30).optional(),
  validityDays: z.int().min(1).max(11_000).optional(),
  extensions: Extensions.optional(),
};

type Ends = { validityYears?: unknown; validityDays?: unknown; validityEnd?: unknown };
const endsOf = (r: Ends): unknown[] => [r.validityYears, r.validityDays, r.validityEnd].filter((v) => v !== undefined);
const oneEnd = {
  message: 'Give only one of validityEnd, validityYears and validityDays.',
  path: ['validityEnd'],
};

/**
 * The body of POST /certificates. Members about names, usages and the key may repeat a CSR and not contradict it. A
 * client may send back a certificate that it has read: the members that only responses have are ignored.
 */
export const IssueRequest = z
  .strictObject({
    ...certificateAsRead,
    ...content,
    authority: Reference.optional().meta({ description: 'Default: DEFAULT_AUTHORITY.' }),
    profile: Reference.optional().meta({
      description: 'The certificate profile. Default: that of the authority; without one, no profile applies.',
    }),
    name: OwnName,
    keyType: z.string().max(40).optional().meta({
      description: 'RSA2048, RSA3072, RSA4096, ECCPRIME256V1 (default), ECCSECP384R1, ECCSECP521R1, ED25519.',
    }),
    csr: z.string().max(65_536).optional().meta({ description: 'PKCS#10 in PEM. Without it the key is made here.' }),
    dnsProvider: z.null({ error: 'The DNS provider is chosen by its zones: leave it out.' }).optional(),
    ...Care,
  })
  .refine((r) => endsOf(r).length <= 1, oneEnd)
  .refine((r) => !('cn' in r) || r.commonName !== undefined || r.csr !== undefined, {
    message: 'Ask for it as `commonName`.',
    path: ['cn'],
  })
  .refine((r) => !('notAfter' in r) || endsOf(r).length > 0, {
    message: 'Ask for it as `validityEnd`.',
    path: ['notAfter'],
  })
  .meta({ id: 'IssueRequest' });
export type IssueRequest = z.output<typeof IssueRequest>;

/** The body of POST /authorities/{id}/sign-unstored. */
export const UnstoredRequest = z
  .strictObject({
    ...content,
    csr: z.string().max(65_536).meta({ description: 'PKCS#10 in PEM.' }),
    profile: Reference.optional().meta({
      description: 'A profile whose certificates are not stored. Default: the profile of the authority.',
    }),
  })
  .refine((r) => endsOf(r).length <= 1, oneEnd)
  .meta({ id: 'UnstoredRequest' });
export type UnstoredRequest = z.output<typeof UnstoredRequest>;
