import { z } from 'zod';
import { readTlv } from '../../pki/der/reader.js';
import { ia5String, oid as encodeOid, utf8String } from '../../pki/der/writer.js';
import type { KeyUsage, RawExtension, SanType, SubjectAltName } from '../../plugin-api/terms.js';

// The `extensions` member of requests, in Lemur's form, and the rules on what may be requested.

/** Names of subject alternative name types as Lemur's clients write them. Other types are refused, not dropped. */
export const sanTypes: Readonly<Record<string, SanType>> = {
  DNSName: 'dns',
  IPAddress: 'ip',
  IPNetwork: 'ip',
  rfc822Name: 'email',
  uniformResourceIdentifier: 'uri',
  registeredID: 'registeredId',
};

/** Key usages by the names that Lemur's clients use. */
export const keyUsages = {
  useDigitalSignature: 'digitalSignature',
  useNonRepudiation: 'nonRepudiation',
  useKeyEncipherment: 'keyEncipherment',
  useDataEncipherment: 'dataEncipherment',
  useKeyAgreement: 'keyAgreement',
  useKeyCertSign: 'keyCertSign',
  useCRLSign: 'cRLSign',
  useEncipherOnly: 'encipherOnly',
  useDecipherOnly: 'decipherOnly',
} as const satisfies Record<string, KeyUsage>;

/** Extended key usages, as dotted OIDs, by the names that Lemur's clients use. */
export const extendedKeyUsages = {
  useServerAuthentication: '1.3.6.1.5.5.7.3.1',
  useClientAuthentication: '1.3.6.1.5.5.7.3.2',
  useCodeSigning: '1.3.6.1.5.5.7.3.3',
  useEmailProtection: '1.3.6.1.5.5.7.3.4',
  useTimestamping: '1.3.6.1.5.5.7.3.8',
  useEapOverPPP: '1.3.6.1.5.5.7.3.13',
  useEapOverLAN: '1.3.6.1.5.5.7.3.14',
  useSmartCardLogon: '1.3.6.1.4.1.311.20.2.2',
  useIpsecIke: '1.3.6.1.5.5.7.3.17',
  useDocumentSigning: '1.3.6.1.5.5.7.3.36',
  useRemoteDesktop: '1.3.6.1.4.1.311.54.1.2',
} as const;
const requestable: ReadonlySet<string> = new Set(Object.values(extendedKeyUsages));
/**
 * OID families in which a standard or a platform gives extended key usages a meaning: PKIX, Kerberos, Microsoft,
 * Certificate Transparency.
 */
const governed = [
  /^2\.5\.29\.37\./,
  /^1\.3\.6\.1\.5\.5\.7\.3\./,
  /^1\.3\.6\.1\.5\.2\.3\./,
  /^1\.3\.6\.1\.4\.1\.(311|11129)\./,
];

/**
 * The first extended key usage that is never issued on request. anyExtendedKeyUsage and OCSPSigning would let the
 * subject sign OCSP responses for its authority (RFC 6960 §4.2.2.2). Others would make it an enrolment agent or a
 * domain controller. OIDs that organizations have defined for themselves are allowed.
 */
export function unrequestableUsage(oids: readonly string[]): string | undefined {
  return oids.find((oid) => !requestable.has(oid) && governed.some((family) => family.test(oid)));
}

const flags = <K extends string>(
  names: Record<K, string>,
): z.ZodObject<Record<K, z.ZodOptional<z.ZodBoolean>>, z.core.$strict> =>
  z.strictObject(
    Object.fromEntries(Object.keys(names).map((name) => [name, z.boolean().optional()])) as Record<
      K,
      z.ZodOptional<z.ZodBoolean>
    >,
  );

const notAnOid = 'Expected an object identifier such as 1.3.6.1.5.5.7.3.1';
const oid = z
  .string()
  .regex(/^[0-2](\.(0|[1-9]\d{0,9})){1,20}$/, notAnOid)
  .refine(isEncodable, notAnOid);

/**
 * Extensions with the names, usages, policies and service addresses of a certificate. Only the issuer and dedicated
 * members of a request set them: as raw extensions they would bypass every rule.
 */
const reserved = [
  /^2\.5\.29\./,
  /^1\.3\.6\.1\.5\.5\.7\.1\.(?!24$)/,
  /^1\.3\.6\.1\.5\.5\.7\.48\.1\.5$/,
  /^1\.3\.6\.1\.4\.1\.311\.(2|10|13|20|21|25\.2|76)(\.|$)/,
  /^2\.16\.840\.1\.113730\.1(\.|$)/,
  /^1\.3\.6\.1\.4\.1\.11129\.2\.4\./,
];

/** True for an extension that only the issuer or a dedicated member of a request may set. */
export function isReservedExtension(oid: string): boolean {
  return reserved.some((family) => family.test(oid));
}

const tlsFeature = '1.3.6.1.5.5.7.1.24';
/** The features that a server can promise: status_request, status_request_v2, both (RFC 7633 §6, RFC 6961). */
const tlsFeatures: ReadonlySet<string> = new Set(['3003020105', '3003020111', '3006020105020111']);

/** Why an extension with this content is not issued on request, or null. */
export function extensionFault({ oid, critical, valueDer }: RawExtension): string | null {
  if (isReservedExtension(oid))
    return 'Only the issuer and the members of a request that are made for it speak for this extension.';
  if (critical) return 'A critical extension that clients do not know would make them refuse the certificate.';
  if (!isEncodable(oid)) return 'Expected an object identifier that DER can hold.';
  if (!isOneValue(valueDer)) return 'Expected exactly one DER value.';
  if (oid === tlsFeature && !tlsFeatures.has(valueDer.toString('hex')))
    return 'A TLS feature is status_request (5) or status_request_v2 (17).';
  return null;
}

/** The maximum of raw extensions in one certificate. */
export const maxCustomExtensions = 32;

const CustomExtension = z
  .strictObject({
    oid: oid.refine(
      (id) => !isReservedExtension(id),
      'This extension is written by the issuer or has a field of its own.',
    ),
    encoding: z.enum(['b64asn1', 'string', 'ia5string']),
    value: z.string().max(16_384),
    isCritical: z
      .literal(false)
      .optional()
      .meta({ description: 'A critical extension that clients do not know would make them refuse the certificate.' }),
  })
  .superRefine((one, context) => {
    const message = isReservedExtension(one.oid) ? null : valueFault(one);
    if (message) context.addIssue({ code: 'custom', message, path: ['value'] });
  });
type CustomExtension = z.output<typeof CustomExtension>;

function valueFault(one: Pick<CustomExtension, 'oid' | 'encoding' | 'value'>): string | null {
  const { encoding, value } = one;
  if (encoding === 'b64asn1' && Buffer.from(value, 'base64').toString('base64') !== value)
    return 'Expected base64 of exactly one DER value.';
  if (encoding === 'ia5string' && !/^\p{ASCII}*$/u.test(value)) return 'An ia5string holds ASCII characters only.';
  return extensionFault(rawOf(one));
}

function rawOf({ oid, encoding, value }: Pick<CustomExtension, 'oid' | 'encoding' | 'value'>): RawExtension {
  const valueDer =
    encoding === 'b64asn1'
      ? Buffer.from(value, 'base64')
      : encoding === 'string'
        ? utf8String(value)
        : ia5String(value);
  return { oid, critical: false, valueDer };
}

const CustomExtensions = z
  .array(CustomExtension)
  .max(maxCustomExtensions)
  .superRefine((all, context) => {
    const oids = all.map((one) => one.oid);
    oids.forEach((oid, i) => {
      if (oids.indexOf(oid) < i)
        context.addIssue({ code: 'custom', message: 'This extension is there already.', path: [i, 'oid'] });
    });
  });

function isEncodable(oid: string): boolean {
  try {
    return encodeOid(oid).length > 0;
  } catch {
    return false;
  }
}

function isOneValue(bytes: Buffer): boolean {
  try {
    return readTlv(bytes, 0).end === bytes.length;
  } catch {
    return false;
  }
}

/** The maximum of names in one certificate. */
export const maxNames = 1000;

const notTwice = 'The same extension is there under its other spelling.';
const leftToAuthority =
  'True: it must be there. False: it must not. Absent: as the authority does it. ' +
  'What is in it is a setting of the authority.';
/** Lemur's page offers three choices for this member, and sends them as words. */
const crlDistributionPoints = z
  .strictObject({
    includeCrlDp: z
      .union([
        z.boolean(),
        z
          .enum(['true', 'false', 'yes', 'no', 'default'])
          .transform((text) => (text === 'default' ? undefined : text === 'true' || text === 'yes')),
      ])
      .optional()
      .meta({ description: leftToAuthority }),
  })
  .optional();

/** The `extensions` of a request, in the form that Lemur's clients send. */
export const Extensions = z
  .strictObject({
    subAltNames: z
      .strictObject({
        names: z
          .array(
            z.strictObject({
              nameType: z.enum(Object.keys(sanTypes) as [string, ...string[]]),
              value: z.string().min(1).max(2048),
            }),
          )
          .max(maxNames, `A certificate carries at most ${maxNames} names.`),
      })
      .optional(),
    keyUsage: flags(keyUsages).optional(),
    extendedKeyUsage: flags(extendedKeyUsages)
      .extend({ useOCSPSigning: z.literal(false).optional() })
      .optional()
      .meta({
        description:
          'A certificate for OCSP signing could vouch for every other of its authority: none is issued on request.',
      }),
    basicConstraints: z
      .strictObject({ ca: z.literal(false).optional(), pathLength: z.null().optional() })
      .optional()
      .meta({ description: 'Certificates issued here are never CAs: authorities are made at /authorities.' }),
    subjectKeyIdentifier: z
      .strictObject({ includeSKI: z.literal(true, 'Every certificate has one (RFC 5280 §4.2.1.2).').optional() })
      .optional(),
    authorityKeyIdentifier: z
      .strictObject({
        useKeyIdentifier: z
          .literal(true, 'Every certificate names the key of its issuer (RFC 5280 §4.2.1.1).')
          .optional(),
        useAuthorityCert: z
          .literal(false, 'The issuer is named by its key, not by its own issuer and serial number.')
          .optional(),
      })
      .optional(),
    certificateInfoAccess: z
      .strictObject({ includeAIA: z.boolean().optional().meta({ description: leftToAuthority }) })
      .optional(),
    cRLDistributionPoints: crlDistributionPoints,
    crlDistributionPoints,
    custom: CustomExtensions.optional(),
  })
  .refine((all) => !all.cRLDistributionPoints || !all.crlDistributionPoints, {
    message: notTwice,
    path: ['cRLDistributionPoints'],
  })
  .meta({ id: 'Extensions' });
export type Extensions = z.output<typeof Extensions>;

/** The requested subject alternative names, not yet normalised. */
export function sansOf(extensions: Extensions | undefined): SubjectAltName[] {
  return (extensions?.subAltNames?.names ?? []).map(({ nameType, value }) => ({
    type: sanTypes[nameType] ?? 'dns',
    value,
  }));
}

/** The requested key usages. When none is true: `usual` without those that are false. */
export function keyUsageOf(extensions: Extensions | undefined, usual: readonly KeyUsage[]): readonly KeyUsage[] {
  return chosen(extensions?.keyUsage, keyUsages, usual);
}

/** Like `keyUsageOf`, with dotted OIDs. */
export function extendedKeyUsageOf(extensions: Extensions | undefined, usual: readonly string[]): readonly string[] {
  return chosen<string>(extensions?.extendedKeyUsage, extendedKeyUsages, usual);
}

/** The requested extensions of `custom`, encoded. */
export function rawExtensionsOf(extensions: Extensions | undefined): RawExtension[] {
  return (extensions?.custom ?? []).map(rawOf);
}

function chosen<T>(
  asked: Readonly<Record<string, boolean | undefined>> | undefined,
  known: Readonly<Record<string, T>>,
  usual: readonly T[],
): readonly T[] {
  if (!asked) return usual;
  const said = (answer: boolean): T[] =>
    Object.entries(known)
      .filter(([name]) => asked[name] === answer)
      .map(([, value]) => value);
  const [wanted, unwanted] = [said(true), said(false)];
  return wanted.length > 0 ? wanted : usual.filter((usage) => !unwanted.includes(usage));
}
