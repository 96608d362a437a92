import { parseCertificate, type ParsedCertificate } from '../pki/certificate.js';
import { checkChain, demandShortChain, orderChain } from '../pki/chain.js';
import { splitCertificates, toPem } from '../pki/pem.js';
import { PkiError } from '../pki/pki-error.js';
import { blame } from '../platform/http/blame.js';
import type { Authority } from './authority.entity.js';
import type { IssuerFacts } from './authority-issuer.entity.js';

/** A CA certificate and the CAs above it in order, the root last where it is known. */
export interface CaChain {
  readonly certificatePem: string;
  readonly chainPem: readonly string[];
}

/**
 * Reads a CA certificate, first in `pem`, and the CAs above it in any order. Throws PkiError when it cannot be read, is
 * no CA certificate, or is not signed by the CAs that follow.
 */
export async function readCaChain(pem: readonly string[]): Promise<CaChain> {
  const [certificatePem = '', ...rest] = [...new Set(pem.flatMap(splitCertificates))];
  const certificate = parseCertificate(certificatePem);
  demandShortChain(rest);
  if (!certificate.isCa || (certificate.keyUsage.length > 0 && !certificate.keyUsage.includes('keyCertSign')))
    throw new PkiError('usage-mismatch', `'${certificate.subject}' is not a CA certificate`);
  const given = rest.map((one) => parseCertificate(one));
  const ordered = await orderChain(certificate, given);
  if (ordered.length < given.length) await checkChain(certificate, given);
  const above = ordered.length < given.length ? given : ordered;
  return { certificatePem, chainPem: above.map(({ der }) => toPem('CERTIFICATE', der)) };
}

/** As `blame`, for the member `chain`. Throws Problem `invalid-request`. */
export async function blameChain<T>(read: () => Promise<T>): Promise<T> {
  return read().catch((error: unknown) =>
    blame('chain', () => {
      throw error;
    }),
  );
}

/** The columns of an authority that its certificate decides. */
export function factsOf({ certificatePem, chainPem }: CaChain) {
  const certificate = parseCertificate(certificatePem);
  const { commonName, organization } = certificate.subjectFields;
  return {
    certificatePem,
    chainPem: [...chainPem],
    commonName: commonName ?? organization ?? certificate.subject,
    serialHex: certificate.serialHex,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    keyType: certificate.keyType,
    bits: certificate.bits,
    signingAlgorithm: certificate.signatureAlgorithm,
    pathLength: certificate.pathLength ?? null,
  } satisfies Partial<Authority>;
}

/** The columns of an issuing certificate that the certificate decides. */
export function issuerFacts({ certificatePem, chainPem }: CaChain): IssuerFacts {
  const certificate: ParsedCertificate = parseCertificate(certificatePem);
  return {
    certificatePem,
    chainPem: [...chainPem],
    subject: certificate.subject,
    serialHex: certificate.serialHex,
    keyIdentifier: certificate.subjectKeyIdentifier ?? null,
    sha256: certificate.fingerprintSha256,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
  };
}
