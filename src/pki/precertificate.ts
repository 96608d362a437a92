import { isDeepStrictEqual } from 'node:util';
import type { ParsedCertificate } from './certificate.js';

/** The critical poison extension (RFC 6962 §3.1). */
const poison = '1.3.6.1.4.1.11129.2.4.3';
/** The list of signed certificate timestamps (RFC 6962 §3.3). */
const timestamps = '1.3.6.1.4.1.11129.2.4.2';

/** True for what a CA submits to a log before it issues the certificate: same serial number, names and key. */
export function isPrecertificate({ extensions }: Pick<ParsedCertificate, 'extensions'>): boolean {
  return extensions.some(({ oid }) => oid === poison);
}

/**
 * True when the certificate is the one that the precertificate announces: its TBSCertificate is the same but for the
 * poison and the timestamps (RFC 6962 §3.2). False for a precertificate that a Precertificate Signing Certificate has
 * signed, since it names another issuer. Verifies no signature.
 */
export function isPrecertificateOf(pre: ParsedCertificate, certificate: ParsedCertificate): boolean {
  if (!isPrecertificate(pre) || isPrecertificate(certificate)) return false;
  const same = (['serial', 'issuerDer', 'validityDer', 'subjectDer', 'spkiDer'] as const).every((part) =>
    pre[part].equals(certificate[part]),
  );
  return same && isDeepStrictEqual(announced(pre), announced(certificate));
}

function announced({ extensions }: ParsedCertificate): ParsedCertificate['extensions'] {
  return extensions.filter(({ oid }) => oid !== poison && oid !== timestamps);
}
