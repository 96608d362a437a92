import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AuthorityMaterial, CreateAuthorityRequest } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { RawExtension } from '../../src/plugin-api/terms.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { buildCsr, parseCsr } from '../../src/pki/csr.js';
import * as der from '../../src/pki/der/writer.js';
import { EXTENDED_KEY_USAGES, ExtensionOid } from '../../src/pki/extensions.js';
import { generatePrivateKey } from '../../src/pki/key.js';
import { signerOf } from '../../src/pki/sign.js';
import { noKeeping } from '../../test/support/issuer-requests.js';
import { localCa, type LocalCaOptions } from './local-ca.issuer.js';

const ctx = { signal: new AbortController().signal, now: () => new Date(), log: () => undefined };
const context = ctx as unknown as PluginContext;
const begin = new Date('2026-01-01T00:00:00Z');
const end = new Date('2036-01-01T00:00:00Z');
const none = localCa.options.parse({});
const newSigner = () => signerOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey);
const signer = newSigner();

let count = 0;
async function makeCa(change: Partial<CreateAuthorityRequest>, options = none): Promise<AuthorityMaterial> {
  const request = { subject: { commonName: 'Root' }, notBefore: begin, notAfter: end, signer, ...change };
  const { chainPem: [certificatePem = '', ...chainPem] = [] } =
    (await localCa.createAuthority?.(request, options, context)) ?? {};
  return { cacheKey: `kept-${count++}`, certificatePem, chainPem, signer: request.signer };
}

const permitted = der.sequence(der.explicit(0, der.sequence(der.sequence(der.implicit(2, Buffer.from('a.example'))))));
const inOddName = der.sequence(
  der.explicit(1, der.sequence(der.sequence(der.explicit(4, named('Johnson & Johnson'))))),
);
const serverAuth = der.oid(EXTENDED_KEY_USAGES.serverAuth ?? '');

function named(text: string): Buffer {
  return der.sequence(der.setOf(der.sequence(der.oid('2.5.4.10'), der.tlv(0x13, Buffer.from(text)))));
}

/** Extensions as other programs write them, and as the lint refuses them in a new CA. */
const odd: readonly [string, RawExtension, string][] = [
  ['name constraints that are not critical', raw(ExtensionOid.nameConstraints, permitted), 'always-critical'],
  [
    'policy constraints that are not critical',
    raw(ExtensionOid.policyConstraints, der.sequence(der.implicit(0, Buffer.from([0])))),
    'always-critical',
  ],
  ['inhibitAnyPolicy that is not critical', raw(ExtensionOid.inhibitAnyPolicy, der.integer(0)), 'always-critical'],
  [
    'a purpose that is repeated',
    raw(ExtensionOid.extendedKeyUsage, der.sequence(serverAuth, serverAuth)),
    'extended-key-usage-distinct',
  ],
  ['no purpose', raw(ExtensionOid.extendedKeyUsage, der.sequence()), 'extended-key-usage-not-empty'],
  [
    'name constraints with an ampersand in a PrintableString',
    raw(ExtensionOid.nameConstraints, inOddName, true),
    'extension-syntax',
  ],
];

function raw(oid: string, valueDer: Buffer, critical = false): RawExtension {
  return { oid, critical, valueDer };
}

describe('a CA with extensions that a new CA is refused', () => {
  it.each(odd)('is renewed with %s, and cross-signed', async (_, extension, rule) => {
    const other = await makeCa({ subject: { commonName: 'Other' }, signer: newSigner() });
    const wanted = { extensions: [extension], subject: { commonName: 'Odd' } };
    await expect(makeCa(wanted)).rejects.toThrow(rule);
    await expect(makeCa({ ...wanted, parent: other })).rejects.toThrow(rule);
    for (const change of [{}, { signer: newSigner() }, { parent: other }]) {
      const { certificatePem } = await makeCa({ ...wanted, ...change, isRenewal: true });
      expect(parseCertificate(certificatePem).extensions).toContainEqual(extension);
    }
  });

  it('is renewed with an empty key identifier', async () => {
    await expect(makeCa({ keyIdentifier: Buffer.alloc(0) })).rejects.toThrow('subject-key-identifier');
    const { certificatePem } = await makeCa({ keyIdentifier: Buffer.alloc(0), isRenewal: true });
    expect(parseCertificate(certificatePem).subjectKeyIdentifier).toBe('');
  });
});

/** What an authority may be told. */
const told: readonly [string, object][] = [
  ['a policy twice', { policies: ['1.2.3', '1.2.3', '2.5.29.32.0'] }],
  ['an address twice', { crlDistributionPoints: ['http://a.example/crl', 'http://a.example/crl'] }],
  ['addresses of every scheme, in any case', { caIssuers: ['HTTPS://a.example/ca', 'ldap:///cn=a?cACertificate'] }],
  ['an ldap address of a CRL', { crlDistributionPoints: ['ldap://a.example/cn=a?certificateRevocationList;binary'] }],
  ['addresses with marks', { crlDistributionPoints: ['http://a.example/{key}/{shard}'], crlShards: 4 }],
  ['an address with braces, bars and accents encoded', { ocsp: ['http://a.example/{x}|^`"<>%C3%A9'] }],
  ['an address without slashes', { ocsp: ['http:a.example'] }],
  ['an address with a user and a port', { ocsp: ['http://u:p@a.example:8080/?a=b#c'] }],
];

describe('what an authority could be told', () => {
  it.each(told)('is still signed: %s', async (_, given) => {
    const options: LocalCaOptions = localCa.options.parse(given);
    const root = await makeCa({}, options);
    const below = { subject: { commonName: 'Below' }, signer: newSigner() };
    const parentPublication = localCa.publication?.(options);
    expect((await makeCa({ ...below, parent: root, parentPublication }, options)).certificatePem).toContain('BEGIN');
    await expect(localCa.order(await leafOf(root), options, context)).resolves.toMatchObject({ status: 'issued' });
  });
});

async function leafOf(authority: AuthorityMaterial) {
  const csrPem = await buildCsr({ subject: {}, subjectAltNames: [] }, await generatePrivateKey('ECCPRIME256V1'));
  const terms = {
    subject: { commonName: 'www.a.example' },
    subjectAltNames: [{ type: 'dns' as const, value: 'www.a.example' }],
    keyUsage: ['digitalSignature' as const],
    extendedKeyUsage: [EXTENDED_KEY_USAGES.serverAuth ?? ''],
    extensions: [],
    notBefore: begin,
    notAfter: new Date('2026-04-01T00:00:00Z'),
  };
  const request = { csrPem, spkiDer: parseCsr(csrPem).spkiDer, terms, idempotencyKey: 'once' };
  return { request, authority, ...noKeeping };
}
