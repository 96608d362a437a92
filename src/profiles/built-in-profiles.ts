import { EXTENDED_KEY_USAGES } from '../pki/extensions.js';
import type { ProfileRules } from './profile-rules.schema.js';

/** A profile that this program brings. */
export interface BuiltInProfile {
  name: string;
  description: string;
  rules: ProfileRules;
}

const purposes = (...names: string[]): NonNullable<ProfileRules['extendedKeyUsage']> => ({
  always: names.map((name) => EXTENDED_KEY_USAGES[name] ?? name),
  onRequest: [],
});
/** OCSP must staple (RFC 7633). */
const tlsFeature = '1.3.6.1.5.5.7.1.24';
const tlsUsage: ProfileRules['keyUsage'] = {
  always: ['digitalSignature', 'keyEncipherment'],
  onRequest: ['keyAgreement'],
};
const noHostNames = { dns: 'forbidden', ip: 'forbidden' } as const;
const noNames = { ...noHostNames, email: 'forbidden', registeredId: 'forbidden' } as const;

/** The profile without rules: the request decides as it does without a profile. */
export const noProfile = 'none';

/** In order of their ids in a new database. A change here becomes a new version at the next start. */
export const builtInProfiles: readonly BuiltInProfile[] = [
  { name: noProfile, description: 'No rules: the request decides.', rules: {} },
  {
    name: 'server',
    description: 'TLS servers.',
    rules: {
      keyUsage: tlsUsage,
      extendedKeyUsage: purposes('serverAuth'),
      names: { email: 'forbidden', atLeastOne: true, fromCommonName: ['dns', 'ip'] },
      extensions: [tlsFeature],
    },
  },
  {
    name: 'client',
    description: 'TLS clients: people, devices and services.',
    rules: {
      keyUsage: tlsUsage,
      extendedKeyUsage: purposes('clientAuth'),
      names: { ...noHostNames, fromCommonName: ['email'] },
      extensions: [],
    },
  },
  {
    name: 'dual-purpose',
    description: 'Hosts that are TLS server and client, as in mutual TLS.',
    rules: {
      keyUsage: tlsUsage,
      extendedKeyUsage: purposes('serverAuth', 'clientAuth'),
      names: { atLeastOne: true, fromCommonName: ['dns', 'ip'] },
      extensions: [tlsFeature],
    },
  },
  {
    name: 'e-mail',
    description: 'Signed and encrypted mail (S/MIME).',
    rules: {
      keyUsage: { always: ['digitalSignature', 'keyEncipherment', 'keyAgreement'], onRequest: ['nonRepudiation'] },
      extendedKeyUsage: purposes('emailProtection'),
      names: { ...noHostNames, uri: 'forbidden', email: 'required', fromCommonName: ['email'] },
      extensions: [],
    },
  },
  {
    name: 'code-signing',
    description: 'Signatures of programs and packages.',
    rules: {
      keyUsage: { always: ['digitalSignature'], onRequest: [] },
      extendedKeyUsage: purposes('codeSigning'),
      subject: { commonName: 'required' },
      names: { ...noNames, fromCommonName: [] },
      extensions: [],
    },
  },
  {
    name: 'ca',
    description: 'Subordinate CAs.',
    rules: {
      isCa: true,
      keyUsage: { always: ['keyCertSign', 'cRLSign'], onRequest: [] },
      subject: { commonName: 'required' },
    },
  },
  {
    name: 'ocsp-responder',
    description: 'Delegated OCSP responders (RFC 6960 §4.2.2.2); only administrators issue them.',
    rules: {
      validity: { defaultDays: 30, maxDays: 90 },
      keyUsage: { always: ['digitalSignature'], onRequest: [] },
      extendedKeyUsage: purposes('ocspSigning'),
      names: { ...noNames, uri: 'forbidden', fromCommonName: [] },
      extensions: [],
      ocspNoCheck: true,
    },
  },
];
