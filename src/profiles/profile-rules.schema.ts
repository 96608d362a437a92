import { z } from 'zod';
import { certificatePolicies, crlDistributionPoints, EXTENDED_KEY_USAGES, KEY_USAGES } from '../pki/extensions.js';
import { KEY_TYPES } from '../pki/key.js';
import { encodeSubject } from '../pki/names.js';
import { rebuildName } from '../pki/requested-name.js';
import type { KeyUsage } from '../plugin-api/terms.js';

// The rules of a profile. An absent member changes nothing: the request decides as it does without a profile.

const encodes = (work: () => unknown): boolean => {
  try {
    work();
    return true;
  } catch {
    return false;
  }
};
const oid = z
  .string()
  .regex(/^[0-2](\.(0|[1-9]\d{0,19})){1,20}$/)
  .refine((text) => encodes(() => certificatePolicies([text])), 'Expected an object identifier, e.g. 2.23.140.1.2.1');
const url = z
  .url({ protocol: /^(https?|ldap)$/ })
  .max(2048)
  .refine((text) => encodes(() => crlDistributionPoints([text])), 'Expected a URL in ASCII');
const distinct = <S extends z.ZodType<string>>(item: S, most: number): z.ZodArray<S> =>
  z
    .array(item)
    .max(most)
    .refine((items) => new Set(items).size === items.length, 'Name each only once.');

const presence = z.enum(['required', 'optional', 'forbidden']);
/** Whether something must, may or must not be there. */
export type Presence = z.output<typeof presence>;

const caUsages: readonly KeyUsage[] = ['keyCertSign', 'cRLSign'];
const keyUsage = z.enum(KEY_USAGES as [KeyUsage, ...KeyUsage[]]);
const purpose = z.preprocess(
  (name) => (typeof name === 'string' && Object.hasOwn(EXTENDED_KEY_USAGES, name) ? EXTENDED_KEY_USAGES[name] : name),
  oid,
);

const attribute = z.union([
  presence,
  z.strictObject({ fixed: z.string().min(1).max(128).meta({ description: 'Written into every certificate.' }) }),
]);
/** The rule for one attribute of the subject. */
export type AttributeRule = z.output<typeof attribute>;

const Validity = z
  .strictObject({
    defaultDays: z.int().min(1).max(11_000).optional().meta({ description: 'For requests that name no validity.' }),
    maxDays: z.int().min(1).max(11_000).optional(),
    backdateMinutes: z
      .int()
      .min(0)
      .max(2880)
      .optional()
      .meta({ description: 'How long before its issuance a certificate is valid. Default: 1.' }),
  })
  .refine(({ defaultDays = 1, maxDays = Infinity }) => defaultDays <= maxDays, {
    message: 'The default is longer than the maximum.',
    path: ['defaultDays'],
  });

const usagesOf = <S extends z.ZodType<string>>(item: S) =>
  z.strictObject({
    always: distinct(item, 20).default([]).meta({ description: 'In every certificate.' }),
    onRequest: distinct(item, 20).default([]).meta({ description: 'Only when the request asks for it.' }),
  });

/** The kinds of names that a common name can be read as. */
export const commonNameKinds = ['dns', 'ip', 'email'] as const;

const Names = z.strictObject({
  dns: presence.optional(),
  ip: presence.optional(),
  email: presence.optional(),
  uri: presence.optional(),
  registeredId: presence.optional(),
  atLeastOne: z.boolean().optional().meta({ description: 'True: a certificate without names is refused.' }),
  fromCommonName: distinct(z.enum(commonNameKinds), 3).optional().meta({
    description: 'A common name that reads as one of these is added to the names. Default: dns and ip.',
  }),
});

const Subject = z
  .strictObject({
    commonName: attribute.optional(),
    country: attribute.optional(),
    state: attribute.optional(),
    location: attribute.optional(),
    organization: attribute.optional(),
    organizationalUnit: attribute.optional(),
    others: z
      .enum(['optional', 'forbidden'])
      .optional()
      .meta({ description: 'All other attributes, which only a CSR can have.' }),
  })
  .superRefine((rules, context) => {
    for (const [member, rule] of Object.entries(rules)) {
      if (typeof rule !== 'object' || encodes(() => rebuildName(encodeSubject({ [member]: rule.fixed })))) continue;
      context.addIssue({ code: 'custom', message: 'A subject cannot hold this value.', path: [member] });
    }
  });

/** The longest validity without revocation information: short-lived by the Baseline Requirements §1.6.1. */
const shortLivedDays = 7;

export const ProfileRules = z
  .strictObject({
    isCa: z
      .boolean()
      .optional()
      .meta({ description: 'True: for certificates of authorities. Requests for other certificates are refused.' }),
    validity: Validity.optional(),
    keyTypes: distinct(z.enum(KEY_TYPES), KEY_TYPES.length).min(1).optional().meta({
      description: 'The key types and sizes that it allows. Default: all.',
    }),
    keyUsage: usagesOf(keyUsage)
      .optional()
      .meta({
        description:
          'Usages of `always` that the type of the key cannot have are left out: only RSA keys encipher, ' +
          'and only EC keys agree on keys.',
      }),
    extendedKeyUsage: usagesOf(purpose).optional().meta({
      description: 'By OID or name: serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, ocspSigning …',
    }),
    subject: Subject.optional(),
    names: Names.optional().meta({ description: 'Subject alternative names, by their kind. Default: optional.' }),
    extensions: distinct(oid, 100).optional().meta({
      description: 'OIDs of the extensions that a request may bring as raw values. Default: all.',
    }),
    policies: distinct(oid, 16).optional().meta({ description: 'Replaces the certificate policies of the authority.' }),
    crlDistributionPoints: distinct(url, 8)
      .optional()
      .meta({ description: 'Replaces the CRL addresses of the authority; an empty list leaves them out.' }),
    ocsp: distinct(url, 8)
      .optional()
      .meta({ description: 'With `caIssuers`, replaces the OCSP and CA certificate addresses of the authority.' }),
    caIssuers: distinct(url, 8).optional(),
    noRevocation: z
      .boolean()
      .optional()
      .meta({
        description:
          'True: short-lived certificates with the extension noRevAvail and without CRL and OCSP addresses ' +
          `(RFC 9608). Needs \`validity.maxDays\` of at most ${shortLivedDays}.`,
      }),
    stored: z
      .boolean()
      .optional()
      .meta({
        description:
          'False: for fleets whose certificates are used for hours. They are signed from a CSR by `POST ' +
          '/authorities/{id}/sign-unstored` and not kept: the audit log has their serial numbers. Needs ' +
          '`noRevocation`. Default: true.',
      }),
    ocspNoCheck: z
      .boolean()
      .optional()
      .meta({ description: 'True: the extension id-pkix-ocsp-nocheck of OCSP responders (RFC 6960 §4.2.2.2.1).' }),
    strictRenewal: z
      .boolean()
      .optional()
      .meta({
        description:
          'What happens to a renewal that this version refuses. False (default): it follows the version of its ' +
          'predecessor, and its plan and the audit log say why. True: it fails, and its owner is told why.',
      }),
  })
  .refine(({ noRevocation, validity }) => !noRevocation || (validity?.maxDays ?? Infinity) <= shortLivedDays, {
    message: `Certificates that cannot be revoked are valid for at most ${shortLivedDays} days: set the maximum.`,
    path: ['validity', 'maxDays'],
  })
  .refine(({ stored, noRevocation }) => stored !== false || noRevocation === true, {
    message: 'Certificates that are not stored cannot be revoked: set `noRevocation`.',
    path: ['stored'],
  })
  .refine((r) => !r.noRevocation || [r.crlDistributionPoints, r.ocsp].every((urls) => (urls ?? []).length === 0), {
    message: 'Not together with CRL or OCSP addresses (RFC 9608 §3).',
    path: ['noRevocation'],
  })
  .refine(
    ({ isCa, keyUsage: { always = [], onRequest = [] } = {} }) =>
      isCa === true || ![...always, ...onRequest].some((usage) => caUsages.includes(usage)),
    { message: 'Only a CA signs certificates and CRLs: keyCertSign and cRLSign need `isCa`.', path: ['keyUsage'] },
  )
  .refine(
    ({ keyUsage: { always = [], onRequest = [] } = {} }) => {
      const all = [...always, ...onRequest];
      return all.includes('keyAgreement') || !all.some((usage) => usage === 'encipherOnly' || usage === 'decipherOnly');
    },
    { message: 'encipherOnly and decipherOnly need keyAgreement (RFC 5280 §4.2.1.3).', path: ['keyUsage'] },
  )
  .meta({ id: 'ProfileRules' });
export type ProfileRules = z.output<typeof ProfileRules>;
