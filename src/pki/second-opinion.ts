import 'reflect-metadata';
import { BasicConstraintsExtension, X509Certificate } from '@peculiar/x509';
import type { ParsedCertificate } from './certificate.js';
import { serialNumber } from './serial.js';
import { PkiError } from './pki-error.js';

/**
 * Has a CA certificate read by another implementation than ours before anything is built on it: a fault that writer and
 * reader share would stay unseen until the first client refuses the chain. `issuerPem` is its own for a root.
 * Throws PkiError `malformed-certificate` when the two disagree or the signature is not the issuer's.
 */
export async function demandSameReading(ours: ParsedCertificate, pem: string, issuerPem: string): Promise<void> {
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
    throw new PkiError('malformed-certificate', 'Two readers disagree about the certificate of the new authority.');
}
