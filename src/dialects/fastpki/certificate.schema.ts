import { z } from 'zod';
import { queryInt } from '../../platform/http/query.js';
import { Remark } from '../../certificates/revoke/revoke.schema.js';

const maxId = 2_147_483_647;
const mostNames = 1000;

export const CertificateType = z.enum(['server', 'client', 'ca', 'dual_purpose']);
export type CertificateType = z.output<typeof CertificateType>;

const names = z.array(z.string().min(1).max(512)).max(mostNames).nullish();
const subjectAltNames = { sanDnsNames: names, sanIpAddresses: names, sanEmailAddresses: names };
/** The alternative names of a request; null and absent are the same. */
export type AskedNames = z.output<z.ZodObject<typeof subjectAltNames>>;

const validDays = z.int().min(1).max(11_000).nullish();
const commonName = z.string().min(1).max(64);
const subjectDn = z.string().min(1).max(4096);

/** POST /certificates. Members as in FastPKI, in camelCase. */
export const CertificateCreate = z.strictObject({
  commonName,
  subjectDn,
  certificateType: CertificateType,
  keySize: z.int().nullish(),
  validDays,
  includePrivateKey: z.boolean().default(true),
  ...subjectAltNames,
});
export type CertificateCreate = z.output<typeof CertificateCreate>;

/** POST /certificates/sign-csr. */
export const SignCsr = z
  .strictObject({
    csr: z.string().min(1).max(65_536),
    caId: z.int().min(1).max(maxId).nullish(),
    caName: z.string().min(1).max(512).nullish(),
    certificateType: CertificateType,
    validDays,
    commonName: commonName.nullish(),
    subjectDn: subjectDn.nullish(),
    ...subjectAltNames,
  })
  .refine(({ caId, caName }) => (caId == null) !== (caName == null), {
    message: 'Give either ca_id or ca_name',
    path: ['caId'],
  });
export type SignCsr = z.output<typeof SignCsr>;

/** POST /certificates/{id}/revoke. */
export const Revoke = z.strictObject({ reason: Remark.nullish() }).default({});
export type Revoke = z.output<typeof Revoke>;

/** The query of POST /certificates. */
export const OfCa = z.strictObject({ caId: queryInt(1, maxId) });
/** The query of GET /certificates. */
export const OfAnyCa = OfCa.partial();
