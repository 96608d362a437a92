import { SubjectAlternativeNameExtension, X509Certificate } from '@peculiar/x509';
import 'reflect-metadata';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuthorityMaterial } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { SanType, SubjectAltName } from '../../src/plugin-api/terms.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { EXTENDED_KEY_USAGES, KEY_USAGES } from '../../src/pki/extensions.js';
import { issuerKeyIdentifier } from '../../src/pki/issuer-key.js';
import { generatePrivateKey, spkiOf } from '../../src/pki/key.js';
import { lintCertificate } from '../../src/pki/lint/lint-certificate.js';
import { encodeSubject } from '../../src/pki/names.js';
import { PkiError } from '../../src/pki/pki-error.js';
import { rebuildName } from '../../src/pki/requested-name.js';
import { signatureAlgorithmOf, signerOf } from '../../src/pki/sign.js';
import { normaliseNewSan } from '../../src/pki/subject-alt-name.js';
import { builtInProfiles } from '../../src/profiles/built-in-profiles.js';
import { nothingImplied } from '../../src/profiles/asked-terms.js';
import { extensionsByProfile, judge } from '../../src/profiles/judge.js';
import type { ProfileRules } from '../../src/profiles/profile-rules.schema.js';
import { noKeeping } from '../../test/support/issuer-requests.js';
import { runOn } from '../../test/support/x509.js';
import { localCa } from './local-ca.issuer.js';

const ctx = { signal: new AbortController().signal, now: () => new Date() } as unknown as PluginContext;
const period = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2026-01-08T00:00:00Z') };
const options = localCa.options.parse({
  crlDistributionPoints: ['http://pki.example/{shard}'],
  crlShards: 4,
  ocsp: ['http://pki.example/ocsp'],
  policies: ['1.3.6.1.4.1.55555.1'],
});

const label = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
const host = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
  fc.domain(),
  fc.constantFrom('*.example.com', 'bücher.example', 'xn--bcher-kva.example', 'xn--a.example', 'a.example.', '*'),
);
const valueOf: Record<SanType, fc.Arbitrary<string>> = {
  dns: host,
  ip: fc.oneof(fc.ipV4(), fc.ipV6()),
  email: fc.oneof(
    fc.emailAddress(),
    host.map((name) => `joe+x@${name}`),
  ),
  uri: fc.oneof(fc.webUrl(), fc.constantFrom('spiffe://a/b', 'urn:uuid:1', 'no uri', 'http://ä.example')),
  registeredId: fc.constantFrom('1.2.3.4', '2.999.1', '1.x'),
};
const sans = fc.array(
  fc
    .constantFrom(...(Object.keys(valueOf) as SanType[]))
    .chain((type) => valueOf[type].map((value) => ({ type, value }))),
  { maxLength: 6 },
);
const text = fc.oneof(fc.string({ minLength: 1, maxLength: 70, unit: 'grapheme' }), fc.constantFrom('www.example.com'));
const subject = fc.record(
  { commonName: text, organization: text, organizationalUnit: text, state: text, country: fc.constantFrom('ch', 'DE') },
  { requiredKeys: [] },
);
const purposes = Object.values(EXTENDED_KEY_USAGES);
const rules: fc.Arbitrary<ProfileRules> = fc.oneof(
  fc.constantFrom(...builtInProfiles.map((profile) => profile.rules).filter(({ isCa }) => !isCa)),
  fc.record(
    {
      extendedKeyUsage: fc.record({
        always: fc.uniqueArray(fc.constantFrom(...purposes), { maxLength: 2 }),
        onRequest: fc.constant(purposes),
      }),
      names: fc.record({ fromCommonName: fc.subarray(['dns', 'ip', 'email'] as ('dns' | 'ip' | 'email')[]) }),
      policies: fc.subarray(['1.2.3', '2.23.140.1.2.1']),
      noRevocation: fc.boolean(),
      ocspNoCheck: fc.boolean(),
    },
    { requiredKeys: [] },
  ),
);
const request = fc.record({
  subject,
  sans,
  rules,
  keyUsage: fc.subarray(KEY_USAGES.filter((usage) => usage !== 'keyCertSign' && usage !== 'cRLSign')),
  extendedKeyUsage: fc.array(fc.constantFrom(...purposes), { maxLength: 3 }),
});
type Request = typeof request extends fc.Arbitrary<infer R> ? R : never;

/** Warnings of what a request may ask for. */
const onRequest: readonly string[] = [
  'subject-spaces',
  'san-uri-host',
  'key-usage-fits-key',
  'key-agreement-only-one-way',
  'usages-consistent',
  'no-any-purpose',
  'ocsp-responder-not-checked',
  'tls-has-san',
];

/** The terms as a request for a new certificate is admitted; null when it is refused. */
function admitted({ subject, sans, rules, keyUsage, extendedKeyUsage }: Request, keyType: string) {
  try {
    for (const [member, value] of Object.entries(subject)) rebuildName(encodeSubject({ [member]: value }));
    const terms = { subject, subjectAltNames: sans.map(normaliseNewSan), keyUsage, extendedKeyUsage, extensions: [] };
    const asked = { terms, implied: nothingImplied, keyType, fromCsr: false, isStored: true, subjectIsFinal: false };
    const { value, violations } = judge(rules, asked);
    const isAnonymous = Object.keys(value.subject).length + value.subjectAltNames.length === 0;
    return violations.length > 0 || isAnonymous ? null : { ...value, ...extensionsByProfile(rules), ...period };
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}

/** As another reader finds them. */
function sansIn(pem: string): string[] {
  const { names } = new X509Certificate(pem).getExtension(SubjectAlternativeNameExtension) ?? {};
  return (names?.items ?? []).map(({ type, value }) => `${type}:${value}`).sort();
}
const peculiar: Partial<Record<SanType, string>> = { uri: 'url', registeredId: 'id' };
const spelled = ({ type, value }: SubjectAltName): string => `${peculiar[type] ?? type}:${value}`;

describe.each(['ECCPRIME256V1', 'ED25519', 'RSA2048'])('certificates for %s keys that are admitted', (keyType) => {
  it('pass the lint, hold every name that was asked for, and are read by OpenSSL and GnuTLS', async () => {
    const signer = signerOf(await generatePrivateKey('ECCPRIME256V1'));
    const ca = { subject: { commonName: 'Root' }, ...period, notAfter: new Date('2027-01-01T00:00:00Z'), signer };
    const certificatePem = (await localCa.createAuthority?.(ca, options, ctx))?.chainPem[0] ?? '';
    const authority: AuthorityMaterial = { cacheKey: keyType, certificatePem, chainPem: [], signer };
    const certificate = parseCertificate(certificatePem);
    const issuer = {
      issuerDer: certificate.subjectDer,
      issuerKeyIdentifier: issuerKeyIdentifier(certificate),
      signatureAlgorithm: signatureAlgorithmOf(signer).algorithmDer,
    };
    const spkiDer = spkiOf(await generatePrivateKey(keyType));
    const made: string[] = [];
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const terms = admitted(asked, keyType);
        if (!terms) return;
        const order = { csrPem: '', spkiDer, terms, idempotencyKey: 'once' };
        const outcome = await localCa.order(
          {
            request: order,
            authority: { ...authority, cacheKey: `${keyType} ${terms.leaveOut.join()}` },
            ...noKeeping,
            save: () => Promise.reject(new Error()),
          },
          options,
          ctx,
        );
        if (outcome.status !== 'issued') throw new Error('A local CA issues at once');
        const [pem = ''] = outcome.chainPem;
        const { tbsDer } = parseCertificate(pem);
        const findings = lintCertificate(tbsDer, issuer).filter(({ name }) => !onRequest.includes(name));
        expect(findings).toEqual([]);
        expect(sansIn(pem)).toEqual([...new Set(terms.subjectAltNames.map(spelled))].sort());
        made.push(pem);
      }),
      { numRuns: 300 },
    );
    expect(made.length).toBeGreaterThan(20);
    const files = { 'all.pem': made.join('') };
    const subjects = (out: string) => out.match(/^\s*Subject:/gm)?.length;
    expect(subjects(runOn(files, 'openssl', 'storeutl', '-noout', '-text', '-certs', 'all.pem'))).toBe(made.length);
    expect(
      runOn(files, 'certtool', '-i', '--infile', 'all.pem').match(/^X.509 Certificate Information/gm),
    ).toHaveLength(made.length);
  });
});
