import { EXTENDED_KEY_USAGES, ExtensionOid, KEY_USAGES } from '../extensions.js';
import type { KeyUsage } from '../../plugin-api/terms.js';
import { isCritical, lint, type Lint, repeated } from './lint.js';
import type { LintedCertificate } from './linted-certificate.js';

// Basic constraints, key usage and extended key usage.

const warning = { severity: 'warning' } as const;

export const usageLints: readonly Lint[] = [
  lint(
    'basic-constraints-critical',
    'RFC 5280 §4.2.1.9',
    'The basic constraints of a CA are critical.',
    (certificate) => isCritical(certificate, ExtensionOid.basicConstraints) !== true,
    { scope: 'ca' },
  ),
  lint(
    'ca-may-sign-certificates',
    'RFC 5280 §4.2.1.3, §4.2.1.9',
    'A CA has the key usage keyCertSign.',
    (certificate) => !has(certificate, 'keyCertSign'),
    { scope: 'ca' },
  ),
  lint(
    'signs-certificates-only-as-ca',
    'RFC 5280 §4.2.1.9',
    'Only a CA has the key usage keyCertSign.',
    (certificate) => has(certificate, 'keyCertSign'),
    { scope: 'leaf' },
  ),
  lint(
    'signs-crls-only-as-ca',
    'RFC 5280 §4.2.1.3, BR §7.1.2.7.11',
    'Only a CA has the key usage cRLSign.',
    (certificate) => has(certificate, 'cRLSign'),
    { scope: 'leaf', severity: 'warning' },
  ),
  lint(
    'path-length-only-in-ca',
    'RFC 5280 §4.2.1.9',
    'Only a CA has a path length.',
    ({ values }) => values.basicConstraints?.pathLength !== undefined,
    { scope: 'leaf' },
  ),
  lint(
    'path-length-below-issuer',
    'RFC 5280 §6.1.4 (l), (m)',
    'The path length is below that of the CA that signs, and a CA with path length 0 signs no CA.',
    ({ values }, { limits }) => {
      const most = limits?.pathLength;
      return most !== undefined && (most === 0 || (values.basicConstraints?.pathLength ?? 0) >= most);
    },
    { scope: 'ca' },
  ),
  lint('key-usage-not-empty', 'RFC 5280 §4.2.1.3', 'The key usage has at least one usage.', ({ values }) => {
    return values.keyUsage?.bits.length === 0;
  }),
  lint('key-usage-minimal', 'X.690 §11.2.2', 'The key usage ends with its last usage.', ({ values }) => {
    return values.keyUsage?.isMinimal === false;
  }),
  lint(
    'key-usage-known',
    'RFC 5280 §4.2.1.3',
    'The key usage has only the nine usages that are defined.',
    ({ values }) => {
      return values.keyUsage?.bits.some((bit) => bit >= KEY_USAGES.length) === true;
    },
  ),
  lint('key-usage-critical', 'RFC 5280 §4.2.1.3', 'The key usage is critical.', (certificate) => {
    return isCritical(certificate, ExtensionOid.keyUsage) === false;
  }),
  lint(
    'key-usage-fits-key',
    'RFC 3279 §2.3.1, RFC 8813 §3, RFC 9295 §3',
    'RSA keys do not agree on keys; EC keys encipher neither keys nor data; Ed25519 keys only sign.',
    (certificate) => unfitUsage(certificate) ?? false,
    warning,
  ),
  lint(
    'key-agreement-only-one-way',
    'RFC 5280 §4.2.1.3',
    'encipherOnly and decipherOnly come with keyAgreement.',
    (certificate) => {
      return (
        (has(certificate, 'encipherOnly') || has(certificate, 'decipherOnly')) && !has(certificate, 'keyAgreement')
      );
    },
    warning,
  ),
  lint(
    'extended-key-usage-not-empty',
    'RFC 5280 §4.2.1.12',
    'The extended key usage has at least one purpose.',
    ({ values }) => values.extendedKeyUsage?.length === 0,
    { excuse: 'ca-renewal' },
  ),
  lint(
    'extended-key-usage-distinct',
    'RFC 5280 §4.2.1.12',
    'No purpose is repeated.',
    ({ values }) => repeated(values.extendedKeyUsage ?? []) ?? false,
    { excuse: 'ca-renewal' },
  ),
  lint(
    'extended-key-usage-not-critical',
    'RFC 5280 §4.2.1.12, BR §7.1.2.7.6',
    'The extended key usage of a leaf is not critical, unless it is that of a time-stamping authority (RFC 3161 §2.3).',
    (certificate) => {
      const { extendedKeyUsage = [] } = certificate.values;
      return (
        isCritical(certificate, ExtensionOid.extendedKeyUsage) === true &&
        !extendedKeyUsage.includes(EXTENDED_KEY_USAGES.timeStamping ?? '')
      );
    },
    { scope: 'leaf' },
  ),
  lint(
    'no-any-purpose',
    'RFC 5280 §4.2.1.12',
    'The extended key usage of a leaf is not anyExtendedKeyUsage.',
    ({ values }) => values.extendedKeyUsage?.includes(EXTENDED_KEY_USAGES.any ?? '') === true,
    { scope: 'leaf', severity: 'warning' },
  ),
  lint(
    'usages-consistent',
    'RFC 5280 §4.2.1.12',
    'The key usage allows at least one of the purposes of the extended key usage.',
    ({ values: { keyUsage, extendedKeyUsage } }) => {
      if (!keyUsage || !extendedKeyUsage) return false;
      return !areConsistent(
        keyUsage.bits.flatMap((bit) => KEY_USAGES[bit] ?? []),
        extendedKeyUsage,
      );
    },
    { scope: 'leaf', severity: 'warning' },
  ),
];

/**
 * Whether a key with these usages may be used for at least one of these purposes (RFC 5280 §4.2.1.12), given as dotted
 * OIDs.
 */
export function areConsistent(keyUsage: readonly KeyUsage[], extendedKeyUsage: readonly string[]): boolean {
  if (keyUsage.length === 0 || extendedKeyUsage.length === 0) return true;
  return extendedKeyUsage.some((oid) => CONSISTENT.get(oid)?.some((usage) => keyUsage.includes(usage)) ?? true);
}

function has({ values }: LintedCertificate, usage: KeyUsage): boolean {
  return values.keyUsage?.bits.includes(KEY_USAGES.indexOf(usage)) === true;
}

const agreement: readonly KeyUsage[] = ['keyAgreement', 'encipherOnly', 'decipherOnly'];
const encipherment: readonly KeyUsage[] = ['keyEncipherment', 'dataEncipherment'];
/** By the OID of the key. */
const UNFIT: ReadonlyMap<string, readonly KeyUsage[]> = new Map([
  ['1.2.840.113549.1.1.1', agreement],
  ['1.2.840.10045.2.1', encipherment],
  ['1.3.101.112', [...agreement, ...encipherment]],
  ['1.3.101.113', [...agreement, ...encipherment]],
]);

/** The first usage that a key of its kind cannot have. */
export function unfitUsage(certificate: LintedCertificate): KeyUsage | undefined {
  return UNFIT.get(certificate.key.oid)?.find((usage) => has(certificate, usage));
}

/** The key usages of which a purpose needs one, by its OID; other purposes go with any. */
const CONSISTENT: ReadonlyMap<string, readonly KeyUsage[]> = new Map([
  [EXTENDED_KEY_USAGES.serverAuth ?? '', ['digitalSignature', 'keyEncipherment', 'keyAgreement']],
  [EXTENDED_KEY_USAGES.clientAuth ?? '', ['digitalSignature', 'keyAgreement']],
  [EXTENDED_KEY_USAGES.codeSigning ?? '', ['digitalSignature']],
  [
    EXTENDED_KEY_USAGES.emailProtection ?? '',
    ['digitalSignature', 'nonRepudiation', 'keyEncipherment', 'keyAgreement'],
  ],
  [EXTENDED_KEY_USAGES.timeStamping ?? '', ['digitalSignature', 'nonRepudiation']],
  [EXTENDED_KEY_USAGES.ocspSigning ?? '', ['digitalSignature', 'nonRepudiation']],
]);
