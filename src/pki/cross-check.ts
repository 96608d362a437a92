import 'reflect-metadata';
import { BasicConstraintsExtension, X509Certificate } from '@peculiar/x509';
import type { ParsedCertificate } from './certificate.js';
import { serialNumber } from './serial.js';
import { PkiError } from './pki-error.js';

/**
 * Checks a new CA certificate with an independent parser before anything is built on it: a fault shared by our writer
 * and reader would otherwise go unseen until the first client rejects the chain. `issuerPem` is the certificate itself
 * for a root. Throws PkiError `malformed-certificate` when the parsers disagree or the signature is wrong.
 */
export async function crossCheckCertificate(ours: ParsedCertificate, pem: string, issuerPem: string): Promise<void> {
  const theirs = new X509Certificate(pem);
  const constraints = theirs.getExtension(BasicConstraintsExtension);
  const agreed = [
    BigInt(`0x${theirs.serialNumber}`) === serialNumber(ours.serialHex),
    theirs.notBefore.getTime() === ours.notBefore.getTime(),
    theirs.notAfter.getTime() === ours.notAfter.getTime(),
    constraints?.ca === ours.isCa,
    constraints?.pathLength === ours.pathLength,
    Buffer.from(theirs.publicKey.rawData).equals(ours.spkiDer),
    await theirs.verify({ publicKey: new X509Certificate(issuerPem), signatureOnly: true }),
  ];
  if (agreed.includes(false))
    throw new PkiError('malformed-certificate', 'Two parsers disagree about the certificate of the new authority.');
}
