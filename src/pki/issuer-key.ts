import type { ParsedCertificate } from './certificate.js';
import { keyIdentifierOf } from './key.js';

type OfKey = Pick<ParsedCertificate, 'subjectKeyIdentifier' | 'spkiDer'>;

/** The key identifier that a CA's certificates and CRLs name (RFC 5280 §4.2.1.1). */
export function issuerKeyIdentifier({ subjectKeyIdentifier: ski, spkiDer }: OfKey): Buffer {
  return ski === undefined ? keyIdentifierOf(spkiDer) : Buffer.from(ski, 'hex');
}

/** Tells the keys of one CA apart in URLs: the first 8 hexadecimal digits of the key identifier. */
export function keyTag(certificate: OfKey): string {
  return issuerKeyIdentifier(certificate).toString('hex').slice(0, 8);
}
