import { describe, expect, it } from 'vitest';
import { ExtensionOid } from '../pki/extensions.js';
import { parseDn } from '../pki/dn-text.js';
import { KEY_TYPES } from '../pki/key.js';
import { type Asked, nothingImplied } from './asked-terms.js';
import { builtInProfiles } from './built-in-profiles.js';
import { extensionsByProfile, judge } from './judge.js';
import { ProfileRules } from './profile-rules.schema.js';

const asked = (keyType: string, commonName: string): Asked => ({
  terms: {
    subject: { commonName },
    subjectAltNames: [],
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'],
    extensions: [],
  },
  implied: { ...nothingImplied, keyUsage: true, extendedKeyUsage: true },
  keyType,
  fromCsr: false,
  isStored: true,
  subjectIsFinal: false,
});
const requests = KEY_TYPES.flatMap((keyType) =>
  ['www.example.com', 'anna@example.com', '192.0.2.1', 'Release Team'].map((name) => asked(keyType, name)),
);

describe('a profile', () => {
  it.each(builtInProfiles)('$name has rules that its own schema accepts', ({ rules }) => {
    expect(ProfileRules.parse(rules)).toEqual(rules);
  });

  it.each(builtInProfiles)('$name judges the terms that it made as it made them', ({ rules }) => {
    for (const request of requests) {
      const { value, violations } = judge(rules, request);
      const again = judge(rules, { ...request, terms: value, implied: nothingImplied });
      if (rules.extendedKeyUsage === undefined || violations.length > 0) continue;
      expect(again).toEqual({ value, violations: [] });
    }
  });

  it.each(builtInProfiles)('$name gives each key only usages that it can have', ({ rules }) => {
    for (const request of requests.filter(() => rules.keyUsage)) {
      const { keyUsage } = judge(rules, request).value;
      if (!request.keyType.startsWith('RSA')) expect(keyUsage).not.toContain('keyEncipherment');
      if (!request.keyType.startsWith('EC')) expect(keyUsage).not.toContain('keyAgreement');
    }
  });

  it('without rules changes nothing and refuses nothing', () => {
    for (const request of requests) expect(judge({}, request)).toMatchObject({ value: request.terms, violations: [] });
  });

  it('has every common name of a subject read as a name', () => {
    const { der: subjectDer } = parseDn('CN=www.example.com,CN=example.com,O=Example');
    const request = asked('ECCPRIME256V1', 'example.com');
    const names = [{ type: 'dns', value: 'a.example.com' }] as const;
    const terms = { ...request.terms, subjectDer, subjectAltNames: names };
    const { value } = judge({ names: { fromCommonName: ['dns'] } }, { ...request, terms });
    expect(value.subjectAltNames.map((name) => name.value)).toEqual([
      'example.com',
      'www.example.com',
      'a.example.com',
    ]);
  });

  it('that publishes no revocation leaves addresses out and says so', () => {
    const { extensions, leaveOut } = extensionsByProfile({ noRevocation: true }, ['authorityInfoAccess']);
    expect(extensions.map(({ oid }) => oid)).toEqual([ExtensionOid.noRevAvail]);
    expect([...leaveOut].sort()).toEqual(['authorityInfoAccess', 'crlDistributionPoints']);
  });
});
