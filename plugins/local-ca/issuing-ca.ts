import { PluginError } from '../../src/plugin-api/errors.js';
import type { AuthorityMaterial } from '../../src/plugin-api/issuer.js';
import type { Signer } from '../../src/plugin-api/signer.js';
import type { CertificateTerms, RawExtension } from '../../src/plugin-api/terms.js';
import { type CertificateSigning, certificateSigning } from '../../src/pki/certificate-signing.js';
import { isSelfIssued, type ParsedCertificate, parseCertificate } from '../../src/pki/certificate.js';
import { issuerKeyIdentifier, keyTag } from '../../src/pki/issuer-key.js';
import { isSameKey } from '../../src/pki/key.js';
import type { IssuerLimits } from '../../src/pki/lint/lint.js';
import { toPem } from '../../src/pki/pem.js';
import { signatureAlgorithmOf } from '../../src/pki/sign.js';
import { limitsOfChain } from './chain-limits.js';

/** Everything derived from a CA certificate, computed once for all certificates that it signs. */
export interface IssuingCa {
  certificate: ParsedCertificate;
  /** As of pki. */
  keyTag: string;
  signing: CertificateSigning;
  /** The chain above the leaf: the CA, then its issuers, without the root unless the CA is the root. */
  chainPem: readonly string[];
  limits: IssuerLimits;
}

const CACHE_SIZE = 256;
const cache = new Map<string, IssuingCa>();

/** The CA ready to sign leaves, cached by `cacheKey` and `leaveOut`. Throws PluginError `misconfigured`. */
export function issuingCa(
  authority: AuthorityMaterial,
  leaveOut: CertificateTerms['leaveOut'],
  constantExtensions: (keyTag: string) => readonly RawExtension[],
): IssuingCa {
  const cacheKey = leaveOut ? `${authority.cacheKey} without ${leaveOut.join()}` : authority.cacheKey;
  const known = cache.get(cacheKey);
  if (known) return known;
  const made = prepare(authority, constantExtensions);
  const [oldest] = cache.keys();
  if (oldest !== undefined && cache.size >= CACHE_SIZE) cache.delete(oldest);
  cache.set(cacheKey, made);
  return made;
}

const limitsCache = new WeakMap<AuthorityMaterial, IssuerLimits>();

/** What the chain of the authority allows. Throws PluginError `misconfigured`. */
export function limitsOf(authority: AuthorityMaterial): IssuerLimits {
  const known = limitsCache.get(authority);
  if (known) return known;
  const { certificate, issuers } = chainOf(authority);
  const limits = limitsOfChain([certificate, ...issuers]);
  limitsCache.set(authority, limits);
  return limits;
}

/** The CA ready to sign another CA. Throws PluginError `misconfigured`. */
export function parentCa(authority: AuthorityMaterial): IssuingCa {
  return prepare(authority, () => []);
}

/** The signer of the authority. Throws PluginError `misconfigured` when the core does not hold its key. */
export function requireSigner({ signer }: AuthorityMaterial): Signer {
  if (!signer) throw new PluginError('misconfigured', 'The private key of this authority is not held here');
  return signer;
}

function prepare(
  authority: AuthorityMaterial,
  constantExtensions: (keyTag: string) => readonly RawExtension[],
): IssuingCa {
  const signer = requireSigner(authority);
  const { certificate, issuers } = chainOf(authority);
  checkCa(certificate, signer);
  const tag = keyTag(certificate);
  const above = issuers.filter((issuer) => !isRoot(issuer));
  const limits = limitsOf(authority);
  return {
    certificate,
    signing: certificateSigning({
      issuerDer: certificate.subjectDer,
      issuerKeyIdentifier: issuerKeyIdentifier(certificate),
      algorithm: signatureAlgorithmOf(signer),
      constantExtensions: constantExtensions(tag),
      limits,
      publicTls: authority.publicTls,
    }),
    keyTag: tag,
    chainPem: [certificate, ...above].map(({ der }) => toPem('CERTIFICATE', der)),
    limits,
  };
}

/** The certificate of the authority, and those above it. */
function chainOf({ certificatePem, chainPem }: AuthorityMaterial): {
  certificate: ParsedCertificate;
  issuers: ParsedCertificate[];
} {
  const certificate = parseCertificate(certificatePem);
  const issuers = chainPem.map((pem) => parseCertificate(pem));
  return { certificate, issuers: issuers.filter((issuer) => !issuer.der.equals(certificate.der)) };
}

function checkCa({ isCa, keyUsage, spkiDer }: ParsedCertificate, signer: Signer): void {
  if (!isCa) throw new PluginError('misconfigured', 'The certificate of this authority is not a CA certificate');
  if (keyUsage.length > 0 && !keyUsage.includes('keyCertSign')) {
    throw new PluginError(
      'misconfigured',
      'The certificate of this authority may not sign certificates (key usage keyCertSign is missing)',
    );
  }
  if (!isSameKey(spkiDer, signer.spkiDer))
    throw new PluginError('misconfigured', 'The key of this authority does not belong to its certificate');
}

/**
 * Self-issued and signed by the same key: a certificate for a rolled-over CA key is self-issued too, but belongs in the
 * chain.
 */
function isRoot(certificate: ParsedCertificate): boolean {
  const { subjectKeyIdentifier, authorityKeyIdentifier = subjectKeyIdentifier } = certificate;
  return isSelfIssued(certificate) && authorityKeyIdentifier === subjectKeyIdentifier;
}
