import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { certificateSigning } from './certificate-signing.js';
import * as der from './der/writer.js';
import { subjectAltName, subjectKeyIdentifier } from './extensions.js';
import { keyIdentifierOf } from './key.js';
import { encodeSubject } from './names.js';
import { toPem } from './pem.js';
import { newSerial } from './serial.js';
import { signatureAlgorithmOf, signerOf } from './sign.js';
import { ipOctets } from './subject-alt-name.js';

/** The protocol that a CA asks for by ALPN (RFC 8737 §6.2). */
export const acmeTlsProtocol = 'acme-tls/1';

/** id-pe-acmeIdentifier (RFC 8737 §6.1). */
const acmeIdentifier = '1.3.6.1.5.5.7.1.31';
const subjectDer = encodeSubject({ commonName: 'ACME challenge' });

/** What the certificate that answers a tls-alpn-01 challenge says. */
export interface AcmeTlsAnswer {
  /** The domain, or the IP address, that is proven. */
  name: string;
  /** SHA-256 of the key authorization. */
  digest: Buffer;
  notBefore: Date;
  notAfter: Date;
}

/** The self-signed certificate that answers a tls-alpn-01 challenge (RFC 8737 §3, RFC 8738 §6), PEM. */
export async function acmeTlsCertificate(
  { name, digest, notBefore, notAfter }: AcmeTlsAnswer,
  key: KeyObject,
): Promise<string> {
  const signer = signerOf(key);
  const { spkiDer } = signer;
  const keyIdentifier = keyIdentifierOf(spkiDer);
  const signing = certificateSigning({
    issuerDer: subjectDer,
    issuerKeyIdentifier: keyIdentifier,
    algorithm: signatureAlgorithmOf(signer),
    constantExtensions: [subjectKeyIdentifier(keyIdentifier)],
  });
  const extensions = [
    subjectAltName([{ type: isIP(name) === 0 ? 'dns' : 'ip', value: name }], false),
    { oid: acmeIdentifier, critical: true, valueDer: der.octetString(digest) },
  ];
  const content = { serial: newSerial(), notBefore, notAfter, subjectDer, spkiDer, extensions };
  return toPem('CERTIFICATE', (await signing.sign(content, signer)).der);
}

/** The server name with which a CA asks for the proof of a name: of an IP address, its reverse name (RFC 8738 §6). */
export function acmeTlsServerName(name: string): string {
  if (isIP(name) === 0) return name.toLowerCase();
  const octets = ipOctets(name);
  if (octets.length === 4) return `${[...octets].reverse().join('.')}.in-addr.arpa`;
  return `${[...octets.toString('hex')].reverse().join('.')}.ip6.arpa`;
}
