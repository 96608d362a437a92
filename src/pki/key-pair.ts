import { createPrivateKey, X509Certificate } from 'node:crypto';

/** Why a server could not use this certificate with this key, as a sentence for people; null when it can. */
export function pairFault(leafPem: string | undefined, privateKeyPem: string | undefined): string | null {
  if (!leafPem || !privateKeyPem) return 'The bundle has no certificate or no private key.';
  try {
    const fits = new X509Certificate(leafPem).checkPrivateKey(createPrivateKey(privateKeyPem));
    return fits ? null : 'The private key does not belong to the certificate.';
  } catch {
    return 'The certificate or its private key cannot be read.';
  }
}

/** Whether `heldPem` begins with the certificate `leafPem`; null when it holds none. Throws when `leafPem` is none. */
export function isSameLeaf(heldPem: string | Buffer, leafPem: string): boolean | null {
  const { fingerprint256 } = new X509Certificate(leafPem);
  try {
    return new X509Certificate(heldPem).fingerprint256 === fingerprint256;
  } catch {
    return null;
  }
}
