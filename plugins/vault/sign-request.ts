import { PluginError } from '../../src/plugin-api/errors.js';
import type { CertificateRequest } from '../../src/plugin-api/issuer.js';
import type { KeyUsage, SanType } from '../../src/plugin-api/terms.js';
import type { VaultPkiOptions } from './vault-pki.options.js';

/** Vault counts the validity from its own clock, when the request arrives: so much less is asked for. */
const clockMarginS = 60;

/** The names of Go's crypto/x509 for key usages. */
const usages: Readonly<Record<KeyUsage, string>> = {
  digitalSignature: 'DigitalSignature',
  nonRepudiation: 'ContentCommitment',
  keyEncipherment: 'KeyEncipherment',
  dataEncipherment: 'DataEncipherment',
  keyAgreement: 'KeyAgreement',
  keyCertSign: 'CertSign',
  cRLSign: 'CRLSign',
  encipherOnly: 'EncipherOnly',
  decipherOnly: 'DecipherOnly',
};

/**
 * What Vault takes beside the CSR. The names count where the role does not take them from the CSR. Throws PluginError
 * `refused` for a validity that is too short.
 */
export function signRequestOf(
  { terms }: CertificateRequest,
  { verbatim }: VaultPkiOptions,
  now: Date,
): Record<string, unknown> {
  const { subject, subjectAltNames, keyUsage, extendedKeyUsage, notAfter } = terms;
  const ttl = Math.floor((notAfter.getTime() - now.getTime()) / 1000) - clockMarginS;
  if (ttl <= 0)
    throw new PluginError('refused', 'The certificate is to end within a minute: ask for a longer validity.');
  const named = (...types: SanType[]): string =>
    subjectAltNames
      .filter(({ type }) => types.includes(type))
      .map(({ value }) => value)
      .join(',');
  return {
    ttl,
    format: 'pem',
    ...(subject.commonName !== undefined && { common_name: subject.commonName }),
    alt_names: named('dns', 'email'),
    ip_sans: named('ip'),
    uri_sans: named('uri'),
    exclude_cn_from_sans: true,
    ...(verbatim && {
      key_usage: keyUsage.map((usage) => usages[usage]),
      ext_key_usage: [],
      ext_key_usage_oids: [...extendedKeyUsage],
    }),
  };
}
