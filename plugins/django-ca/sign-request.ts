import { encodeSubject, readName } from '../../src/pki/names.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { CertificateRequest } from '../../src/plugin-api/issuer.js';
import type { KeyUsage, SanType } from '../../src/plugin-api/terms.js';
import type { SignRequest } from './django-ca.client.js';

const nameTypes: Readonly<Record<SanType, string>> = {
  dns: 'DNS',
  ip: 'IP',
  email: 'email',
  uri: 'URI',
  registeredId: 'RID',
};
const usages: Readonly<Record<KeyUsage, string>> = {
  digitalSignature: 'digital_signature',
  nonRepudiation: 'content_commitment',
  keyEncipherment: 'key_encipherment',
  dataEncipherment: 'data_encipherment',
  keyAgreement: 'key_agreement',
  keyCertSign: 'key_cert_sign',
  cRLSign: 'crl_sign',
  encipherOnly: 'encipher_only',
  decipherOnly: 'decipher_only',
};

/**
 * django-ca takes nothing but the key from a CSR. Throws PluginError `refused` for an extension that it cannot be asked
 * for.
 */
export function signRequestOf({ csrPem, terms }: CertificateRequest): SignRequest {
  const { subject, subjectDer, subjectAltNames, keyUsage, extendedKeyUsage, extensions, notAfter } = terms;
  if (extensions.length > 0)
    throw new PluginError(
      'refused',
      `django-ca is not asked for the extension ${extensions.map(({ oid }) => oid).join(', ')}: ` +
        'it takes alternative names and key usages alone.',
    );
  const attributes = readName(subjectDer ?? encodeSubject(subject)).flat();
  const names = subjectAltNames.map(({ type, value }) => ({ type: nameTypes[type], value }));
  const isEmpty = attributes.length === 0;
  return {
    csr: csrPem,
    subject: attributes.map(({ oid, text }) => ({ oid, value: text })),
    not_after: notAfter.toISOString(),
    extensions: [
      ...(names.length > 0 ? [{ type: 'subject_alternative_name', critical: isEmpty, value: names }] : []),
      ...(keyUsage.length > 0
        ? [{ type: 'key_usage', critical: true, value: keyUsage.map((usage) => usages[usage]) }]
        : []),
      ...(extendedKeyUsage.length > 0
        ? [{ type: 'extended_key_usage', critical: false, value: [...extendedKeyUsage] }]
        : []),
    ],
  };
}
