import type { NameConstraints } from '../path/name-constraints.js';
import type { LintedCertificate } from './linted-certificate.js';

/** What a certificate must agree with: the CA that signs it, or its own content for a root. */
export interface LintIssuer {
  /** Subject DN of the CA, DER. */
  issuerDer: Buffer;
  issuerKeyIdentifier: Buffer;
  /** AlgorithmIdentifier that is written beside the signature, DER. */
  signatureAlgorithm: Buffer;
  /** Absent for a root. */
  limits?: IssuerLimits;
  /** True: TLS server certificates must also keep to the Baseline Requirements. */
  publicTls?: boolean;
  /** True: a rule that excuses it is a warning, because the predecessor broke it too. */
  isRenewal?: boolean;
}

/** What a CA and those above it allow below them together. */
export interface IssuerLimits {
  notBefore: Date;
  notAfter: Date;
  /** A CA directly below must have a lower path length; undefined: any. */
  pathLength?: number;
  nameConstraints: readonly NameConstraints[];
}

/**
 * Which certificates a rule is for. `tls-server`: leaves with the extended key usage serverAuth; `public-tls`: those of
 * an issuer that keeps to the Baseline Requirements.
 */
export type LintScope = 'every' | 'ca' | 'leaf' | 'tls-server' | 'public-tls';

/**
 * `error`: the certificate is not signed. `warning`: it is, because renewals keep what clients of their predecessor
 * depend on; requests for new certificates are refused earlier where that is possible.
 */
export type LintSeverity = 'error' | 'warning';

/**
 * Where a rule of severity `error` is a warning: in every renewal, or in that of a CA, which keeps extensions of its
 * predecessor octet by octet.
 */
export type LintExcuse = 'renewal' | 'ca-renewal';

/** One rule on finished certificates. */
export interface Lint {
  /** Kebab-case, never renamed. */
  name: string;
  /** Section of the standard. */
  source: string;
  /** One sentence: what must hold. */
  demands: string;
  scope: LintScope;
  severity: LintSeverity;
  excuse?: LintExcuse;
  /** True or the offending value, as text, when the rule is broken. */
  isBroken: (certificate: LintedCertificate, issuer: LintIssuer) => boolean | string;
}

/** A broken rule. `about`: the offending value. */
export interface LintFinding extends Pick<Lint, 'name' | 'source' | 'demands' | 'severity'> {
  about?: string;
}

/** A rule for `scope`, an error unless `severity` says otherwise. */
export function lint(
  name: string,
  source: string,
  demands: string,
  isBroken: Lint['isBroken'],
  { scope = 'every', severity = 'error', excuse }: Partial<Pick<Lint, 'scope' | 'severity' | 'excuse'>> = {},
): Lint {
  return { name, source, demands, scope, severity, isBroken, ...(excuse && { excuse }) };
}

/** The extension with this OID. */
export function extensionIn(
  { extensions }: LintedCertificate,
  oid: string,
): LintedCertificate['extensions'][number] | undefined {
  return extensions.find((extension) => extension.oid === oid);
}

export function isCritical(certificate: LintedCertificate, oid: string): boolean | undefined {
  return extensionIn(certificate, oid)?.critical;
}

export function isCa({ values }: LintedCertificate): boolean {
  return values.basicConstraints?.isCa === true;
}

export function isEmptyName(nameDer: Buffer): boolean {
  return nameDer.length === 2;
}

/** The first text that occurs twice. */
export function repeated(texts: readonly string[]): string | undefined {
  return texts.find((text, at) => texts.indexOf(text) !== at);
}

/** E.g. `It breaks the rule san-ip-length (RFC 5280 §4.2.1.6) with "#0a": An IP address has 4 or 16 octets.` */
export function sentenceOf({ name, source, demands, about }: LintFinding): string {
  return `It breaks the rule ${name} (${source})${about === undefined ? '' : ` with "${about}"`}: ${demands}`;
}
