import type { Certificate } from './certificate.entity.js';

/**
 * How the owner has proved to have the private key: 2 when the key is stored or was certified here, 1 when a CSR was
 * uploaded with the certificate, 0 when there is no proof.
 */
export function keyProofOf({
  sealedKey = null,
  csrPem = null,
  authorityId = null,
}: Partial<Pick<Certificate, 'sealedKey' | 'csrPem' | 'authorityId'>>): 0 | 1 | 2 {
  if (sealedKey !== null || (csrPem !== null && authorityId !== null)) return 2;
  return csrPem === null ? 0 : 1;
}
