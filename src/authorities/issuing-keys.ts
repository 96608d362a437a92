import { parseCertificate } from '../pki/certificate.js';
import { keyTag } from '../pki/issuer-key.js';
import type { KeyRef } from '../platform/keys/key-store.js';
import type { CaChain } from './ca-chain.js';

/** A key with which an authority signs or has signed, with the certificate of that key that ends last. */
export interface IssuingKey extends CaChain {
  readonly keyId: KeyRef;
  /** All certificates of the key, the one that ends last first. */
  readonly certificates: readonly CaChain[];
}

interface CertificateOfKey extends CaChain {
  readonly keyId: KeyRef | null;
  readonly notAfter: Date;
}

/** The keys of these certificates that are here; that of `own` first. */
export function issuingKeys(own: CertificateOfKey, others: readonly CertificateOfKey[]): IssuingKey[] {
  const certificates = [own, ...others];
  const keys = new Set(certificates.flatMap(({ keyId }) => keyId ?? []));
  return [...keys].flatMap((keyId) => {
    const ofKey = certificates
      .filter((one) => one.keyId === keyId)
      .toSorted((a, b) => b.notAfter.getTime() - a.notAfter.getTime())
      .map(({ certificatePem, chainPem }) => ({ certificatePem, chainPem }));
    return ofKey.slice(0, 1).map((last) => ({ ...last, keyId, certificates: ofKey }));
  });
}

/** As `keyTag` of pki, of every certificate of the key: its certificates may name it by different identifiers. */
export function keyTagsOf({ certificates }: Pick<IssuingKey, 'certificates'>): string[] {
  return [...new Set(certificates.map(({ certificatePem }) => keyTag(parseCertificate(certificatePem))))];
}
