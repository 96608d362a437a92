import { DerError } from '../der/reader.js';
import { EXTENDED_KEY_USAGES } from '../extensions.js';
import { PkiError } from '../pki-error.js';
import { extensionLints } from './extension-lints.js';
import { isCa, lint, type Lint, type LintFinding, type LintIssuer, type LintScope, sentenceOf } from './lint.js';
import { type LintedCertificate, readTbs } from './linted-certificate.js';
import { nameLints } from './name-lints.js';
import { publicTlsLints } from './public-tls-lints.js';
import { sanLints } from './san-lints.js';
import { structureLints } from './structure-lints.js';
import { usageLints } from './usage-lints.js';

/** Broken when the octets cannot be read at all; the other rules are not tried then. */
const readable = lint(
  'certificate-structure',
  'RFC 5280 §4.1, X.690 §10, §11',
  'The signed part is a TBSCertificate in DER.',
  () => false,
);

/** Every rule on certificates that are signed here. */
export const certificateLints: readonly Lint[] = [
  readable,
  ...structureLints,
  ...nameLints,
  ...sanLints,
  ...usageLints,
  ...extensionLints,
  ...publicTlsLints,
];

const forScopes = (...scopes: readonly LintScope[]): readonly Lint[] =>
  certificateLints.filter(({ scope }) => scopes.includes(scope));
const lintsOf = {
  ca: forScopes('every', 'ca'),
  leaf: forScopes('every', 'leaf'),
  tlsServer: forScopes('every', 'leaf', 'tls-server'),
  publicTls: forScopes('every', 'leaf', 'tls-server', 'public-tls'),
};

/**
 * The rules that a certificate breaks, by the octets that are about to be signed: a TBSCertificate in DER. Never
 * throws for its content.
 */
export function lintCertificate(tbs: Buffer, issuer: LintIssuer): LintFinding[] {
  let certificate: LintedCertificate;
  try {
    certificate = readTbs(tbs);
  } catch (error) {
    if (error instanceof DerError) return [findingOf(readable, error.message)];
    throw error;
  }
  const findings: LintFinding[] = [];
  for (const one of lintsFor(certificate, issuer)) {
    const verdict = verdictOf(one, certificate, issuer);
    if (verdict === false) continue;
    const isExcused = issuer.isRenewal === true && excuses(one, certificate);
    findings.push(findingOf(isExcused ? { ...one, severity: 'warning' } : one, verdict));
  }
  return findings;
}

function excuses({ excuse }: Lint, certificate: LintedCertificate): boolean {
  return excuse === 'renewal' || (excuse === 'ca-renewal' && isCa(certificate));
}

function lintsFor(certificate: LintedCertificate, { publicTls }: LintIssuer): readonly Lint[] {
  if (isCa(certificate)) return lintsOf.ca;
  if (!certificate.values.extendedKeyUsage?.includes(EXTENDED_KEY_USAGES.serverAuth ?? '')) return lintsOf.leaf;
  return publicTls ? lintsOf.publicTls : lintsOf.tlsServer;
}

/** A value that a rule cannot read breaks the rule. */
function verdictOf({ isBroken }: Lint, certificate: LintedCertificate, issuer: LintIssuer): boolean | string {
  try {
    return isBroken(certificate, issuer);
  } catch (error) {
    if (error instanceof DerError || error instanceof PkiError) return error.message;
    throw error;
  }
}

function findingOf({ name, source, demands, severity }: Lint, verdict: boolean | string): LintFinding {
  return { name, source, demands, severity, ...(typeof verdict === 'string' && { about: verdict.slice(0, 200) }) };
}

/** Throws PkiError `lint` that names every rule of severity `error` that the certificate breaks. */
export function demandClean(tbs: Buffer, issuer: LintIssuer): LintFinding[] {
  const findings = lintCertificate(tbs, issuer);
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new PkiError('lint', `Not signed: ${errors.map(sentenceOf).join(' ')}`);
  return findings;
}
