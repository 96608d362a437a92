import type { Signer } from '../plugin-api/signer.js';
import { type CertificateContent, type CertificateTemplate, certificateWriter } from './certificate-writer.js';
import { demandClean } from './lint/lint-certificate.js';
import type { IssuerLimits, LintFinding } from './lint/lint.js';
import type { SignatureAlgorithm } from './sign.js';

/** The CA that signs, and what all its certificates share. */
export interface SigningCa extends Omit<CertificateTemplate, 'signatureAlgorithm'> {
  /** That of its key. */
  algorithm: SignatureAlgorithm;
  /** Absent for a root that signs itself. */
  limits?: IssuerLimits;
  /** True: it keeps to the Baseline Requirements for TLS server certificates. */
  publicTls?: boolean;
}

/** A certificate in DER, with the rules of severity `warning` that it breaks. */
export interface SignedCertificate {
  der: Buffer;
  warnings: readonly LintFinding[];
}

export interface CertificateSigning {
  /**
   * Writes, lints and signs a certificate with the key of the CA. Throws PkiError `lint` before anything is signed when
   * the finished octets break a rule, and `bad-extension` for a repeated extension. `isRenewal`: see LintIssuer.
   */
  sign(content: CertificateContent, signer: Signer, isRenewal?: boolean): Promise<SignedCertificate>;
}

/** The only way to a signature under a certificate: what has not passed the lint is not signed. */
export function certificateSigning({ algorithm, limits, publicTls, ...shared }: SigningCa): CertificateSigning {
  const { hash, algorithmDer: signatureAlgorithm } = algorithm;
  const writer = certificateWriter({ ...shared, signatureAlgorithm });
  const { issuerDer, issuerKeyIdentifier } = shared;
  const issuer = { issuerDer, issuerKeyIdentifier, signatureAlgorithm, limits, publicTls };
  return {
    async sign(content, signer, isRenewal = false) {
      const tbs = writer.tbs(content);
      const warnings = demandClean(tbs, isRenewal ? { ...issuer, isRenewal } : issuer);
      return { der: writer.assemble(tbs, await signer.sign(hash, tbs)), warnings };
    },
  };
}
