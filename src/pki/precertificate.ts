import type { ParsedCertificate } from './certificate.js';

/** The critical poison extension (RFC 6962 §3.1). */
const poison = '1.3.6.1.4.1.11129.2.4.3';

/** True for what a CA submits to a log before it issues the certificate: same serial number, names and key. */
export function isPrecertificate({ extensions }: Pick<ParsedCertificate, 'extensions'>): boolean {
  return extensions.some(({ oid }) => oid === poison);
}
