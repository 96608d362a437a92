import { createHash, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openssl } from '../../test/support/bundles.js';
import { acmeTlsCertificate, acmeTlsServerName } from './acme-tls.js';
import { generatePrivateKey } from './key.js';

const digest = createHash('sha256').update('key authorization').digest();
const dates = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };

describe('the certificate that answers a tls-alpn-01 challenge', () => {
  it.each([
    ['www.example.test', 'www.example.test', 'DNS:www.example.test'],
    ['192.0.2.7', '7.2.0.192.in-addr.arpa', 'IP Address:192.0.2.7'],
    ['2001:db8::1', `1${'.0'.repeat(23)}.8.b.d.0.1.0.0.2.ip6.arpa`, 'IP Address:2001:DB8:0:0:0:0:0:1'],
  ])('has the name %s alone, the critical acmeIdentifier, and its own signature', async (name, serverName, san) => {
    expect(acmeTlsServerName(name)).toBe(serverName);
    const pem = await acmeTlsCertificate({ name, digest, ...dates }, await generatePrivateKey('ECCPRIME256V1'));
    const names = openssl(['x509', '-noout', '-ext', 'subjectAltName'], pem);
    expect(names.trim().split('\n').slice(1)).toEqual([`    ${san}`]);
    // The extension: its OID, critical, and an OCTET STRING of 32 octets.
    const hash = digest.toString('hex').toUpperCase();
    const written = `:1\\.3\\.6\\.1\\.5\\.5\\.7\\.1\\.31\\n.*BOOLEAN +:255\\n.*:0420${hash}\\n`;
    expect(openssl(['asn1parse'], pem)).toMatch(new RegExp(written));
    const [issuer, subject] = openssl(['x509', '-noout', '-issuer', '-subject'], pem).trim().split('\n');
    expect(issuer?.replace('issuer', '')).toBe(subject?.replace('subject', ''));
    expect(openssl(['x509', '-noout', '-checkend', '3600'], pem)).toContain('not expire');
    const certificate = new X509Certificate(pem);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  });
});
