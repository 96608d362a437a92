import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oneOfEach } from '../../../test/support/odd-certificates.js';
import { mutationsOf, runOn } from '../../../test/support/x509.js';
import { toPem } from '../../pki/pem.js';
import { certificateMembers } from './certificate-object.js';

const extensions = `[req]
distinguished_name=dn
prompt=no
[dn]
CN=Example
[ext]
subjectAltName=DNS:a.example.com,IP:192.0.2.1,email:a@example.com,URI:https://a.example.com/,RID:1.2.3,dirName:dn
keyUsage=critical,digitalSignature,nonRepudiation
extendedKeyUsage=serverAuth,1.2.3.4
basicConstraints=critical,CA:TRUE,pathlen:3
subjectKeyIdentifier=hash
authorityInfoAccess=OCSP;URI:http://ocsp.example.com/,caIssuers;URI:http://a.example.com/ca.crt
crlDistributionPoints=URI:http://a.example.com/ca.crl
nameConstraints=permitted;DNS:example.com
`;
const stored = { serialHex: 'ABC', notBefore: new Date(0), notAfter: new Date(1000) };

function made(): string {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem'];
  const args = ['-new', '-x509', ...key, '-config', 'ext.cnf', '-extensions', 'ext', '-set_serial', '0x0a0b'];
  return runOn({ 'ext.cnf': extensions }, 'openssl', 'req', ...args);
}

describe('certificateMembers', () => {
  const pem = made();
  const members = certificateMembers(pem, stored);
  const valueOf = (type: string): unknown => members.certificate.extensions.find((one) => one.type === type)?.value;

  it('shows serial number, names, dates, fingerprints and algorithms as other programs read them', () => {
    const own = new X509Certificate(pem);
    expect(members).toMatchObject({
      serial: 'A0B',
      pem,
      subject: [{ oid: '2.5.4.3', value: 'Example' }],
      not_after: new Date(own.validTo).toISOString().replace('.000', ''),
      fingerprints: { 'SHA-256': own.fingerprint256, 'SHA-512': own.fingerprint512 },
      certificate: { serial: 'A0B', version: 2, signature_hash_algorithm: 'SHA-256', pem },
    });
  });

  it('shows each extension by its content, and what it does not know in DER', () => {
    expect(valueOf('subject_alternative_name')).toEqual([
      { type: 'DNS', value: 'a.example.com' },
      { type: 'IP', value: '192.0.2.1' },
      { type: 'email', value: 'a@example.com' },
      { type: 'URI', value: 'https://a.example.com/' },
      { type: 'RID', value: '1.2.3' },
      { type: 'dirName', value: 'CN=Example' },
    ]);
    expect(valueOf('key_usage')).toEqual(['digital_signature', 'content_commitment']);
    expect(valueOf('extended_key_usage')).toEqual(['1.3.6.1.5.5.7.3.1', '1.2.3.4']);
    expect(valueOf('basic_constraints')).toEqual({ ca: true, path_length: 3 });
    expect(valueOf('authority_information_access')).toEqual([
      { access_method: '1.3.6.1.5.5.7.48.1', access_location: { type: 'URI', value: 'http://ocsp.example.com/' } },
      { access_method: '1.3.6.1.5.5.7.48.2', access_location: { type: 'URI', value: 'http://a.example.com/ca.crt' } },
    ]);
    expect(valueOf('crl_distribution_points')).toMatchObject([
      { full_name: [{ type: 'URI', value: 'http://a.example.com/ca.crl' }] },
    ]);
    expect(valueOf('unrecognized_extension')).toEqual({ oid: '2.5.29.30', value: expect.any(String) });
  });

  it.each(oneOfEach())('shows odd certificates that are stored: %s', (_, odd) => {
    expect(certificateMembers(odd, stored).certificate).toMatchObject({ pem: odd, serial: expect.stringMatching(/./) });
  });

  it('shows what is stored of a certificate that cannot be read, and never throws', () => {
    const nothing = certificateMembers('nothing', stored);
    expect(nothing).toMatchObject({ serial: 'ABC', not_after: '1970-01-01T00:00:01Z', subject: [], fingerprints: {} });
    const der = Buffer.from(new X509Certificate(pem).raw);
    fc.assert(
      fc.property(mutationsOf(der), (mutated) => {
        certificateMembers(toPem('CERTIFICATE', mutated), stored);
      }),
      { numRuns: 3000 },
    );
  });
});
