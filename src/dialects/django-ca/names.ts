import type { OtherAltName } from '../../pki/subject-alt-name.js';
import type { KeyUsage, SanType, SubjectAltName } from '../../plugin-api/terms.js';

/** `notAfter` → `not_after`: members in this dialect. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
}

/** Kinds of alternative names that can be asked for. */
export const nameTypes = {
  DNS: 'dns',
  IP: 'ip',
  email: 'email',
  URI: 'uri',
  RID: 'registeredId',
} as const satisfies Record<string, SanType>;

const shownTypes: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(nameTypes).map(([shown, type]) => [type, shown])),
  directoryName: 'dirName',
  ipNetwork: 'IP',
};

/** An alternative name as django-ca writes it; one of a rare kind has the name of that kind here. */
export interface GeneralName {
  type: string;
  value: string;
}

export function generalName({ type, value }: SubjectAltName | OtherAltName): GeneralName {
  return { type: shownTypes[type] ?? type, value };
}

/** Key usages by their names in this dialect. */
export const keyUsages = {
  digital_signature: 'digitalSignature',
  content_commitment: 'nonRepudiation',
  key_encipherment: 'keyEncipherment',
  data_encipherment: 'dataEncipherment',
  key_agreement: 'keyAgreement',
  key_cert_sign: 'keyCertSign',
  crl_sign: 'cRLSign',
  encipher_only: 'encipherOnly',
  decipher_only: 'decipherOnly',
} as const satisfies Record<string, KeyUsage>;

const shownUsages = Object.fromEntries(Object.entries(keyUsages).map(([shown, usage]) => [usage, shown]));

export function usageName(usage: KeyUsage): string {
  return shownUsages[usage] ?? usage;
}
