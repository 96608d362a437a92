import * as x509 from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import type { RawExtension, SubjectAltName } from '../plugin-api/terms.js';
import * as der from './der/writer.js';
import { DerReader } from './der/reader.js';
import { extensionFacts, readExtensions, serviceUrls } from './extension-reader.js';
import * as own from './extensions.js';

const names: SubjectAltName[] = [
  { type: 'dns', value: 'www.example.com' },
  { type: 'dns', value: '*.example.com' },
  { type: 'ip', value: '192.0.2.1' },
  { type: 'ip', value: '2001:db8::1' },
  { type: 'email', value: 'a@example.com' },
  { type: 'uri', value: 'https://example.com/a' },
];
const peculiarNames: x509.JsonGeneralNames = names.map(
  ({ type, value }) => ({ type: type === 'uri' ? 'url' : type, value }) as x509.JsonGeneralName,
);
const flags = x509.KeyUsageFlags;
const keyId = Buffer.alloc(20, 7);
const urls = ['http://crl.example.com/a.crl', 'http://crl.example.com/b.crl'];

describe('extensions', () => {
  it.each<[string, RawExtension, x509.Extension]>([
    [
      'basicConstraints of a leaf',
      own.basicConstraints(false),
      new x509.BasicConstraintsExtension(false, undefined, true),
    ],
    ['basicConstraints of a CA', own.basicConstraints(true), new x509.BasicConstraintsExtension(true, undefined, true)],
    [
      'basicConstraints with a path length',
      own.basicConstraints(true, 0),
      new x509.BasicConstraintsExtension(true, 0, true),
    ],
    [
      'keyUsage',
      own.keyUsage(['digitalSignature', 'keyEncipherment']),
      new x509.KeyUsagesExtension(flags.digitalSignature | flags.keyEncipherment, true),
    ],
    [
      'keyUsage over two octets',
      own.keyUsage(['keyAgreement', 'decipherOnly']),
      new x509.KeyUsagesExtension(flags.keyAgreement | flags.decipherOnly, true),
    ],
    [
      'keyUsage of a CA',
      own.keyUsage(['keyCertSign', 'cRLSign']),
      new x509.KeyUsagesExtension(flags.keyCertSign | flags.cRLSign, true),
    ],
    [
      'extendedKeyUsage',
      own.extendedKeyUsage(['1.3.6.1.5.5.7.3.1', '1.3.6.1.4.1.311.20.2.2']),
      new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1', '1.3.6.1.4.1.311.20.2.2']),
    ],
    ['subjectAltName', own.subjectAltName(names, false), new x509.SubjectAlternativeNameExtension(peculiarNames)],
    [
      'critical subjectAltName',
      own.subjectAltName(names, true),
      new x509.SubjectAlternativeNameExtension(peculiarNames, true),
    ],
    [
      'subjectKeyIdentifier',
      own.subjectKeyIdentifier(keyId),
      new x509.SubjectKeyIdentifierExtension(keyId.toString('hex')),
    ],
    [
      'authorityKeyIdentifier',
      own.authorityKeyIdentifier(keyId),
      new x509.AuthorityKeyIdentifierExtension(keyId.toString('hex')),
    ],
    [
      'certificatePolicies',
      own.certificatePolicies(['1.2.3', '2.5.29.32.0']),
      new x509.CertificatePolicyExtension(['1.2.3', '2.5.29.32.0']),
    ],
    [
      'crlDistributionPoints',
      own.crlDistributionPoints(urls.slice(0, 1)),
      new x509.CRLDistributionPointsExtension(urls.slice(0, 1)),
    ],
    [
      'authorityInfoAccess',
      own.authorityInfoAccess({ ocsp: urls.slice(0, 1), caIssuers: urls.slice(1) }),
      new x509.AuthorityInfoAccessExtension({ ocsp: urls.slice(0, 1), caIssuers: urls.slice(1) }),
    ],
  ])('%s has the octets that @peculiar/x509 writes', (_, ours, theirs) => {
    expect(own.encodeExtension(ours).toString('hex')).toBe(Buffer.from(theirs.rawData).toString('hex'));
  });

  it('are read back', () => {
    const encoded = own.encodeExtensions([
      own.basicConstraints(true, 3),
      own.keyUsage(['keyCertSign', 'digitalSignature']),
      own.extendedKeyUsage(['1.3.6.1.5.5.7.3.1']),
      own.subjectAltName(names, false),
      own.subjectKeyIdentifier(keyId),
      own.authorityKeyIdentifier(keyId),
      own.crlDistributionPoints(urls),
      own.authorityInfoAccess({ ocsp: ['http://o.example'], caIssuers: ['http://c.example'] }),
    ]);
    const read = readExtensions(DerReader.enter(encoded));
    expect(extensionFacts(read)).toEqual({
      isCa: true,
      pathLength: 3,
      keyUsage: ['digitalSignature', 'keyCertSign'],
      extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'],
      subjectAltNames: names,
      otherAltNames: [],
      unreadableExtensions: [],
      subjectKeyIdentifier: keyId.toString('hex'),
      authorityKeyIdentifier: keyId.toString('hex'),
    });
    expect(serviceUrls(read)).toEqual({ crl: urls, ocsp: ['http://o.example'], caIssuers: ['http://c.example'] });
    expect(read.map(({ critical }) => critical)).toEqual([true, true, false, false, false, false, false, false]);
  });

  it('are refused when repeated', () => {
    const twice = [own.basicConstraints(false), own.basicConstraints(true)];
    expect(() => own.encodeExtensions(twice)).toThrow(expect.objectContaining({ code: 'bad-extension' }));
    expect(() => readExtensions(DerReader.enter(der.sequence(...twice.map(own.encodeExtension))))).toThrow('repeated');
  });

  it('are refused when they cannot be encoded', () => {
    expect(() => own.extendedKeyUsage(['x'])).toThrow(expect.objectContaining({ code: 'bad-extension' }));
    expect(() => own.crlDistributionPoints(['http://é.example'])).toThrow(
      expect.objectContaining({ code: 'bad-extension' }),
    );
  });

  it('map purposes to names and back', () => {
    expect(own.extendedKeyUsageOid('serverAuth')).toBe('1.3.6.1.5.5.7.3.1');
    expect(own.extendedKeyUsageOid('1.2.3')).toBe('1.2.3');
    expect(own.extendedKeyUsageName('1.3.6.1.5.5.7.3.9')).toBe('ocspSigning');
    expect(own.extendedKeyUsageName('1.2.3')).toBe('1.2.3');
    expect(() => own.extendedKeyUsageOid('constructor')).toThrow(expect.objectContaining({ code: 'bad-extension' }));
  });
});
