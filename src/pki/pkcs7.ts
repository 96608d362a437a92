import { DerError, DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import { PkiError } from './pki-error.js';

/** PEM labels of PKCS#7 objects (RFC 7468 §8 and §9, an older spelling last). */
export const PKCS7_LABELS: readonly string[] = ['PKCS7', 'CMS', 'PKCS #7 SIGNED DATA'];

const SIGNED_DATA = '1.2.840.113549.1.7.2';

/**
 * The certificates (DER) in a PKCS#7 SignedData object (RFC 5652 §5.1), in its order; signatures and CRLs are ignored.
 * Throws PkiError `malformed-certificate`.
 */
export function certificatesOfPkcs7(pkcs7Der: Buffer): Buffer[] {
  try {
    const info = DerReader.over(pkcs7Der, 'ber').enter();
    if (info.oid() !== SIGNED_DATA) throw new DerError('Not SignedData');
    const data = info.enter(0xa0).enter();
    data.next(Tag.integer);
    data.next(Tag.set);
    data.next(Tag.sequence);
    const certificates: Buffer[] = [];
    // Other choices of CertificateChoices have context tags.
    for (const reader = data.enterIf(0xa0); reader?.more;) {
      const isCertificate = reader.peek() === Tag.sequence;
      const element = reader.raw();
      if (isCertificate) certificates.push(element);
    }
    return certificates;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new PkiError('malformed-certificate', 'The PKCS#7 object is not readable', { cause: error });
  }
}

/** A PKCS#7 SignedData object with these certificates (DER) and no signature (RFC 5652 §5.1). */
export function pkcs7Of(certificates: readonly Buffer[]): Buffer {
  const content = der.sequence(der.oid('1.2.840.113549.1.7.1'));
  const data = der.sequence(der.integer(1), der.setOf(), content, der.explicit(0, ...certificates), der.setOf());
  return der.sequence(der.oid(SIGNED_DATA), der.explicit(0, data));
}
