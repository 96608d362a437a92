import { isSignedBy, parseCertificate } from '../pki/certificate.js';
import { splitCertificates } from '../pki/pem.js';
import { isPrecertificateOf } from '../pki/precertificate.js';
import type { Certificate } from './certificate.entity.js';
import { type IssuedFacts, issuedFacts } from './issued-facts.js';

/**
 * Whether the stored row holds the precertificate (RFC 6962 §3.1) of this certificate. False for a row that is not
 * issued.
 */
export function holdsPrecertificateOf(
  { bodyPem }: Pick<Certificate, 'bodyPem'>,
  certificate: Pick<IssuedFacts, 'bodyPem'>,
): boolean {
  return bodyPem !== null && isPrecertificateOf(parseCertificate(bodyPem), parseCertificate(certificate.bodyPem));
}

/**
 * Puts the certificate in place of its stored precertificate; the caller holds the lock of `row`. The chain of the
 * precertificate stays when the certificate came without one. False when the row holds anything else.
 */
export async function completePrecertificate(row: Certificate, facts: IssuedFacts): Promise<boolean> {
  if (!holdsPrecertificateOf(row, facts)) return false;
  const known = await withChain(facts, row.chainPem);
  // Neither a source nor an upload without an authority names the id that the certificate has at its CA.
  Object.assign(row, { ...known, externalId: row.externalId });
  return true;
}

async function withChain(facts: IssuedFacts, chainPem: string | null): Promise<IssuedFacts> {
  if (facts.chainPem !== '' || !chainPem) return facts;
  const chain = splitCertificates(chainPem);
  const isIssuer = await isSignedBy(parseCertificate(facts.bodyPem), parseCertificate(chain[0] ?? ''));
  return isIssuer ? issuedFacts([facts.bodyPem, ...chain]) : facts;
}
