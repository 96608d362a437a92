import { EXTENDED_KEY_USAGES, ExtensionOid } from '../extensions.js';
import type { GeneralName } from '../path/general-name.js';
import { ComparisonBudget, constrainedNames, constraintViolation } from '../path/name-constraints.js';
import { extensionIn, lint, type Lint, repeated } from './lint.js';
import type { LintedCertificate } from './linted-certificate.js';

// Key identifiers, name constraints, policies and addresses.

const OCSP_ACCESS = '1.3.6.1.5.5.7.48.1';

export const extensionLints: readonly Lint[] = [
  lint(
    'authority-key-identifier',
    'RFC 5280 §4.2.1.1',
    'The authority key identifier is the subject key identifier of the CA.',
    ({ values }, { issuerKeyIdentifier }) => {
      return values.authorityKeyIdentifier?.keyIdentifier?.equals(issuerKeyIdentifier) !== true;
    },
  ),
  lint(
    'authority-key-identifier-alone',
    'BR §7.1.2.11.1',
    'The authority key identifier does not name the issuer and serial number of the CA certificate.',
    ({ values }) => values.authorityKeyIdentifier?.hasIssuer === true,
  ),
  lint(
    'subject-key-identifier',
    'RFC 5280 §4.2.1.2',
    'There is a subject key identifier.',
    ({ values }) => (values.subjectKeyIdentifier?.length ?? 0) === 0,
    { excuse: 'ca-renewal' },
  ),
  lint(
    'never-critical',
    'RFC 5280 §4.2.1, §4.2.2, RFC 9608 §2',
    'Key identifiers, addresses, noRevAvail and ocsp-nocheck are not critical.',
    ({ extensions }) => extensions.find(({ oid, critical }) => critical && NEVER_CRITICAL.has(oid))?.oid ?? false,
  ),
  lint(
    'always-critical',
    'RFC 5280 §4.2.1.10, §4.2.1.11, §4.2.1.14',
    'Name constraints, policy constraints and inhibitAnyPolicy are critical.',
    ({ extensions }) => extensions.find(({ oid, critical }) => !critical && ALWAYS_CRITICAL.has(oid))?.oid ?? false,
    { excuse: 'ca-renewal' },
  ),
  lint(
    'only-in-ca',
    'RFC 5280 §4.2.1.5, §4.2.1.10, §4.2.1.11, §4.2.1.14',
    'Only a CA has name constraints, policy constraints, policy mappings or inhibitAnyPolicy.',
    ({ extensions }) => extensions.find(({ oid }) => ONLY_IN_CA.has(oid))?.oid ?? false,
    { scope: 'leaf' },
  ),
  lint(
    'names-within-constraints',
    'RFC 5280 §4.2.1.10',
    'The subject and the SANs are within the name constraints of the CA and of those above it.',
    (certificate, { limits }) => constraintFault(certificate, limits?.nameConstraints ?? []),
  ),
  lint(
    'policies-distinct',
    'RFC 5280 §4.2.1.4',
    'There is at least one policy, and none is repeated.',
    ({ values }) => {
      const { certificatePolicies: policies } = values;
      return policies !== undefined && (policies.length === 0 || (repeated(policies) ?? false));
    },
  ),
  lint(
    'crl-distribution-points',
    'RFC 5280 §4.2.1.13',
    'Each CRL distribution point has a URL with the scheme http, https or ldap.',
    ({ values }) => {
      const points = values.crlDistributionPoints;
      return (
        points?.length === 0 || points?.some(({ names }) => names.length === 0 || !names.every(isAddress)) === true
      );
    },
  ),
  lint(
    'authority-information-access',
    'RFC 5280 §4.2.2.1',
    'Each access description has a URL with the scheme http, https or ldap.',
    ({ values }) => {
      const accesses = values.authorityInfoAccess;
      return accesses?.length === 0 || accesses?.some(({ location }) => !isAddress(location)) === true;
    },
  ),
  lint(
    'addresses-http',
    'RFC 5280 §8, BR §7.1.2.11.2, §7.1.2.7.7',
    'CRLs, OCSP responses and CA certificates have http URLs: with https, a client would verify one certificate in ' +
      'order to verify another.',
    ({ values }) => addressesOf(values).some((name) => !/^http:/i.test(textOf(name))),
    { severity: 'warning' },
  ),
  lint(
    'no-revocation-without-addresses',
    'RFC 9608 §3',
    'A certificate with noRevAvail is no CA, and has neither CRL nor OCSP addresses.',
    (certificate) => {
      if (!extensionIn(certificate, ExtensionOid.noRevAvail)) return false;
      const { basicConstraints, authorityInfoAccess = [] } = certificate.values;
      return (
        basicConstraints?.isCa === true ||
        extensionIn(certificate, ExtensionOid.crlDistributionPoints) !== undefined ||
        extensionIn(certificate, ExtensionOid.freshestCrl) !== undefined ||
        authorityInfoAccess.some(({ method }) => method === OCSP_ACCESS)
      );
    },
  ),
  lint(
    'ocsp-responder-not-checked',
    'RFC 6960 §4.2.2.2.1, BR §4.9.9',
    'The certificate of an OCSP responder has ocsp-nocheck, and no other leaf has it.',
    (certificate) => {
      const isResponder = certificate.values.extendedKeyUsage?.includes(EXTENDED_KEY_USAGES.ocspSigning ?? '') === true;
      return isResponder !== (extensionIn(certificate, ExtensionOid.ocspNoCheck) !== undefined);
    },
    { scope: 'leaf', severity: 'warning' },
  ),
];

const NEVER_CRITICAL: ReadonlySet<string> = new Set([
  ExtensionOid.authorityKeyIdentifier,
  ExtensionOid.subjectKeyIdentifier,
  ExtensionOid.authorityInfoAccess,
  ExtensionOid.crlDistributionPoints,
  ExtensionOid.freshestCrl,
  ExtensionOid.noRevAvail,
  ExtensionOid.ocspNoCheck,
]);
const ALWAYS_CRITICAL: ReadonlySet<string> = new Set([
  ExtensionOid.nameConstraints,
  ExtensionOid.policyConstraints,
  ExtensionOid.inhibitAnyPolicy,
]);
const ONLY_IN_CA: ReadonlySet<string> = new Set([...ALWAYS_CRITICAL, ExtensionOid.policyMappings]);

function constraintFault(
  certificate: LintedCertificate,
  constraints: NonNullable<Parameters<Lint['isBroken']>[1]['limits']>['nameConstraints'],
): string | false {
  if (constraints.length === 0) return false;
  const san = extensionIn(certificate, ExtensionOid.subjectAltName);
  const [names, budget] = [constrainedNames(certificate.subjectDer, san?.valueDer), new ComparisonBudget()];
  for (const one of constraints) {
    const violation = constraintViolation(names, one, budget);
    if (violation !== null) return violation;
  }
  return false;
}

function addressesOf({
  crlDistributionPoints = [],
  authorityInfoAccess = [],
}: LintedCertificate['values']): GeneralName[] {
  return [
    ...crlDistributionPoints.flatMap(({ names }) => names),
    ...authorityInfoAccess.map(({ location }) => location),
  ];
}

function isAddress(name: GeneralName): boolean {
  return name.kind === 'uri' && /^(https?|ldap):[\x21-\x7e]+$/i.test(textOf(name));
}

function textOf({ content }: GeneralName): string {
  return content.toString('latin1');
}
