import type { Signer } from '../plugin-api/signer.js';
import { certificateSigning } from './certificate-signing.js';
import type { ParsedCertificate } from './certificate.js';
import { DerReader } from './der/reader.js';
import * as der from './der/writer.js';
import * as extensions from './extensions.js';
import { issuerKeyIdentifier } from './issuer-key.js';
import { keyIdentifierOf } from './key.js';
import { signatureAlgorithmOf } from './sign.js';

/** A responder certificate to make. */
export interface ResponderRequest {
  ca: ParsedCertificate;
  /** The key of `ca`. */
  caSigner: Signer;
  /** The key of the responder. */
  spkiDer: Buffer;
  /** As `CertificateContent.serial`. */
  serial: Buffer;
  notBefore: Date;
  notAfter: Date;
}

/**
 * A certificate in DER with which a key may sign OCSP responses for `ca` (RFC 6960 §4.2.2.2). Clients do not ask for
 * its own status (§4.2.2.2.1), so it must be short-lived. Its subject lies below that of the CA, because name
 * constraints may bind it. Throws PkiError `lint`, see CertificateSigning.
 */
export async function responderCertificate(request: ResponderRequest): Promise<Buffer> {
  const { ca, caSigner, spkiDer } = request;
  const { notBefore, notAfter } = ca;
  const signing = certificateSigning({
    issuerDer: ca.subjectDer,
    issuerKeyIdentifier: issuerKeyIdentifier(ca),
    algorithm: signatureAlgorithmOf(caSigner),
    constantExtensions: [],
    limits: { notBefore, notAfter, nameConstraints: [] },
  });
  const content = {
    ...request,
    subjectDer: subjectBelow(ca.subjectDer),
    extensions: [
      extensions.basicConstraints(false),
      extensions.subjectKeyIdentifier(keyIdentifierOf(spkiDer)),
      extensions.keyUsage(['digitalSignature']),
      extensions.extendedKeyUsage([extensions.extendedKeyUsageOid('ocspSigning')]),
      extensions.ocspNoCheck(),
    ],
  };
  return (await signing.sign(content, caSigner)).der;
}

function subjectBelow(caSubjectDer: Buffer): Buffer {
  const commonName = der.sequence(der.oid('2.5.4.3'), der.utf8String('OCSP responder'));
  return der.sequence(DerReader.over(caSubjectDer, 'ber').content(), der.setOf(commonName));
}
