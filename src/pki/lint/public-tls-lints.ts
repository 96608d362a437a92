import { EXTENDED_KEY_USAGES, ExtensionOid } from '../extensions.js';
import type { SubjectAltName } from '../../plugin-api/terms.js';
import { parseSan } from '../subject-alt-name.js';
import { extensionIn, isCritical, isEmptyName, lint, type Lint } from './lint.js';
import type { LintedCertificate } from './linted-certificate.js';
import { unfitUsage } from './usage-lints.js';

// The Baseline Requirements of the CA/Browser Forum for TLS server certificates.

const COMMON_NAME = '2.5.4.3';
/** In a renewal warnings: the issuer may have been limited after its predecessor was issued. */
const publicTls = { scope: 'public-tls', excuse: 'renewal' } as const;

export const publicTlsLints: readonly Lint[] = [
  lint(
    'tls-has-san',
    'RFC 9525 §6.1, BR §7.1.2.7.12',
    'A TLS server certificate has a DNS name or an IP address among its SANs.',
    ({ values }) => !values.subjectAltName?.some(({ kind }) => kind === 'dns' || kind === 'ip'),
    { scope: 'tls-server', severity: 'warning' },
  ),
  lint(
    'tls-san-kinds',
    'BR §7.1.2.7.12',
    'The SANs of a TLS server certificate are DNS names and IP addresses.',
    ({ values }) => {
      const { subjectAltName: names = [] } = values;
      return names.length === 0 || (names.find(({ kind }) => kind !== 'dns' && kind !== 'ip')?.kind ?? false);
    },
    publicTls,
  ),
  lint(
    'tls-san-not-critical',
    'BR §7.1.2.7.12',
    'The SAN extension of a TLS server certificate with a subject is not critical.',
    (certificate) =>
      !isEmptyName(certificate.subjectDer) && isCritical(certificate, ExtensionOid.subjectAltName) === true,
    publicTls,
  ),
  lint(
    'tls-common-name-in-san',
    'BR §7.1.4.3',
    'The common name of a TLS server certificate is one of its SANs.',
    (certificate) => {
      const named = new Set(sansOf(certificate).map(({ value }) => value));
      const commonNames = certificate.subject.flat().filter(({ oid }) => oid === COMMON_NAME);
      return (
        commonNames.map(({ content }) => content.toString('utf8')).find((text) => !named.has(text.toLowerCase())) ??
        false
      );
    },
    publicTls,
  ),
  lint(
    'tls-wildcard-below-registry',
    'BR §3.2.2.6',
    'A wildcard stands not directly below a top-level domain.',
    ({ values }) => {
      const wildcard = values.subjectAltName?.find(
        ({ kind, content }) => kind === 'dns' && /^\*\.[^.]*$/.test(content.toString('latin1')),
      );
      return wildcard?.content.toString('latin1') ?? false;
    },
    publicTls,
  ),
  lint(
    'tls-key-usage-fits-key',
    'BR §7.1.2.7.11',
    'The key usage of a TLS server certificate fits its key.',
    (certificate) => unfitUsage(certificate) ?? false,
    publicTls,
  ),
  lint(
    'tls-purposes',
    'BR §7.1.2.7.10',
    'The purposes of a TLS server certificate are serverAuth and clientAuth.',
    ({ values }) => {
      const { serverAuth, clientAuth } = EXTENDED_KEY_USAGES;
      return values.extendedKeyUsage?.find((oid) => oid !== serverAuth && oid !== clientAuth) ?? false;
    },
    publicTls,
  ),
];

function sansOf(certificate: LintedCertificate): SubjectAltName[] {
  const san = extensionIn(certificate, ExtensionOid.subjectAltName);
  return san && certificate.values.subjectAltName ? parseSan(san.valueDer).names : [];
}
