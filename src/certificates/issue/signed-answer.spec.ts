import { beforeAll, describe, expect, it } from 'vitest';
import { localCa } from '../../../plugins/local-ca/local-ca.issuer.js';
import { openssl } from '../../../test/support/bundles.js';
import { parseCertificate } from '../../pki/certificate.js';
import { buildCsr } from '../../pki/csr.js';
import { generatePrivateKey, spkiOf } from '../../pki/key.js';
import { encodeSubject } from '../../pki/names.js';
import { signerOf } from '../../pki/sign.js';
import type { AuthorityMaterial, CertificateRequest, IssuedCertificate } from '../../plugin-api/issuer.js';
import type { PluginContext } from '../../plugin-api/plugin.js';
import type { CertificateTerms, KeyUsage } from '../../plugin-api/terms.js';
import { answerFacts } from '../issued-facts.js';
import type { TermsWithoutDates } from '../terms.js';
import { readCsr, termsOfCsr } from './csr-terms.js';
import { IssueRequest } from './issue.schema.js';
import { rowBeforeIssue } from './new-row.js';
import { type AskedHere, signedFacts } from './signed-answer.js';

const options = localCa.options.parse({
  crlDistributionPoints: ['http://crl.example.com/ca.crl'],
  policies: ['2.23.140.1.2.1'],
});
const ctx = { signal: new AbortController().signal } as PluginContext;
const validity = { notBefore: new Date('2026-03-01T10:00:00.750Z'), notAfter: new Date('2026-06-01T10:00:00.250Z') };
const usual: TermsWithoutDates = {
  subject: { commonName: 'www.example.com', organization: 'Example', country: 'CH' },
  subjectAltNames: [
    { type: 'dns', value: 'www.example.com' },
    { type: 'ip', value: '2001:db8::1' },
  ],
  keyUsage: ['digitalSignature', 'keyEncipherment'],
  extendedKeyUsage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
  extensions: [],
};

let own: AuthorityMaterial;
let other: AuthorityMaterial;
let spkiDer: Buffer;
let otherSpkiDer: Buffer;
beforeAll(async () => {
  own = await makeCa('Own');
  other = await makeCa('Other');
  spkiDer = spkiOf(await generatePrivateKey('ECCPRIME256V1'));
  otherSpkiDer = spkiOf(await generatePrivateKey('ECCPRIME256V1'));
});

async function makeCa(commonName: string): Promise<AuthorityMaterial> {
  const signer = signerOf(await generatePrivateKey('ECCPRIME256V1'));
  const [notBefore, notAfter] = [new Date('2026-01-01'), new Date('2036-01-01')];
  const made = await localCa.createAuthority?.({ subject: { commonName }, notBefore, notAfter, signer }, options, ctx);
  return { cacheKey: commonName, certificatePem: made?.chainPem[0] ?? '', chainPem: [], signer };
}

async function sign(request: Pick<CertificateRequest, 'spkiDer' | 'terms'>, ca = own): Promise<IssuedCertificate> {
  const whole = { csrPem: '', idempotencyKey: 'x', ...request };
  const save = () => Promise.reject(new Error('Nothing is saved.'));
  const order = { request: whole, authority: ca, save, saveAuthority: save, challenges: {} as never };
  const outcome = await localCa.order(order, options, ctx);
  if (outcome.status !== 'issued') throw new Error('It was not issued.');
  return outcome;
}

const askedFor = (terms: TermsWithoutDates): AskedHere => ({
  authority: {
    authority: { certificatePem: own.certificatePem } as AskedHere['authority']['authority'],
    subjectDer: parseCertificate(own.certificatePem).subjectDer,
    plugin: localCa,
  },
  spkiDer,
  terms,
  validity,
});
const columnsOf = (terms: TermsWithoutDates) =>
  rowBeforeIssue({} as never, { spkiDer, keyType: '', bits: 0, csrPem: null, secretId: '', sealedKey: null }, terms);

async function termsOfRequest(): Promise<TermsWithoutDates> {
  const privateKey = await generatePrivateKey('ECCPRIME256V1');
  const csr = await readCsr(
    await buildCsr({ subject: usual.subject, subjectAltNames: usual.subjectAltNames }, privateKey),
  );
  return termsOfCsr(csr, IssueRequest.parse({ owner: 'joe@example.com' }));
}

describe('the facts of a certificate that an issuer in this process has signed', () => {
  it.each<[string, () => TermsWithoutDates | Promise<TermsWithoutDates>]>([
    ['with the usual terms', () => usual],
    ['with the terms of a CSR', termsOfRequest],
    [
      'with a whole subject that is not that of its members',
      () => ({ ...usual, subjectDer: encodeSubject({ commonName: 'whole.example.net', state: 'Bern' }) }),
    ],
    ['without a common name', () => ({ ...usual, subject: {} })],
    ['without other names', () => ({ ...usual, subjectAltNames: [] })],
    ['without usages', () => ({ ...usual, keyUsage: [], extendedKeyUsage: [] })],
    ['with usages in another order', () => ({ ...usual, keyUsage: [...usual.keyUsage].reverse() })],
    ['with a country in lower case', () => ({ ...usual, subject: { ...usual.subject, country: 'ch' } })],
    ['with a name in upper case', () => ({ ...usual, subjectAltNames: [{ type: 'dns', value: 'WWW.example.com' }] })],
    ['with a name twice', () => ({ ...usual, subjectAltNames: [...usual.subjectAltNames, ...usual.subjectAltNames] })],
    ['without an extension of the issuer', () => ({ ...usual, leaveOut: ['crlDistributionPoints'] })],
    [
      'with an extension of its own',
      () => ({
        ...usual,
        extensions: [{ oid: '1.3.6.1.4.1.99999.1', critical: false, valueDer: Buffer.from('0500', 'hex') }],
      }),
    ],
    [
      'with a name that cannot be issued here',
      () => ({ ...usual, otherAltNames: [{ type: 'directoryName', value: 'CN=x' }] }),
    ],
  ])('are those that parsing it would give: %s', async (_, make) => {
    const terms = await make();
    const answer = await sign({ spkiDer, terms: { ...terms, ...validity } });
    const columns = columnsOf(terms);
    const facts = await signedFacts(columns, askedFor(terms), answer);
    expect(facts).toEqual(answerFacts(columns.terms, answer));
    const shown = openssl(['x509', '-noout', '-serial', '-fingerprint', '-sha256'], answer.chainPem[0] ?? '');
    expect(shown).toContain(`serial=${facts.serialHex}\n`);
    expect(shown.replaceAll(':', '').toLowerCase()).toContain(facts.sha256);
  });

  const changed = (change: Partial<CertificateTerms>): (() => Promise<IssuedCertificate>) => {
    return () => sign({ spkiDer, terms: { ...usual, ...validity, ...change } });
  };
  it.each<[string, () => Promise<IssuedCertificate>, RegExp]>([
    ['another key', () => sign({ spkiDer: otherSpkiDer, terms: { ...usual, ...validity } }), /a key other than/],
    [
      'another name',
      changed({ subjectAltNames: [...usual.subjectAltNames, { type: 'dns', value: 'evil.example.com' }] }),
      /added dns:evil\.example\.com/,
    ],
    ['a name less', changed({ subjectAltNames: usual.subjectAltNames.slice(1) }), /left out dns:www\.example\.com/],
    ['another common name', changed({ subject: { commonName: 'evil.example.com' } }), /common name "evil/],
    ['a later end', changed({ notAfter: new Date('2026-06-01T10:00:01Z') }), /later than requested/],
    ['an earlier beginning', changed({ notBefore: new Date('2026-02-01') }), /earlier than requested/],
    ['another issuer', () => sign({ spkiDer, terms: { ...usual, ...validity } }, other), /not signed by 'Own'/],
    ['no certificate', async () => ({ chainPem: [] }), /No PEM block/],
  ])('are refused when it has %s', async (_, make, reason) => {
    const work = signedFacts(columnsOf(usual), askedFor(usual), await make());
    await expect(work).rejects.toMatchObject({ fault: 'refused', detail: expect.stringMatching(reason) });
  });

  it('are refused when the key was certified for a CA', async () => {
    const request = {
      subject: usual.subject,
      ...validity,
      signer: { ...signerOf(await generatePrivateKey('ECCPRIME256V1')), spkiDer },
    };
    const made = await localCa.createAuthority?.({ ...request, parent: own }, options, ctx);
    const terms = { ...usual, subjectAltNames: [], keyUsage: ['keyAgreement'] as const satisfies readonly KeyUsage[] };
    const work = signedFacts(columnsOf(terms), askedFor(terms), { chainPem: made?.chainPem ?? [] });
    await expect(work).rejects.toMatchObject({ fault: 'refused', detail: expect.stringContaining('a CA certificate') });
  });

  it('are those in the certificate when its usages and subject differ from the request', async () => {
    const terms = {
      ...usual,
      subject: { ...usual.subject, organization: 'Another' },
      keyUsage: ['keyAgreement'] as const,
    };
    const answer = await sign({ spkiDer, terms: { ...terms, ...validity } });
    const facts = await signedFacts(columnsOf(usual), askedFor(usual), answer);
    expect(facts.terms).toMatchObject({ subject: terms.subject, keyUsage: terms.keyUsage, approved: usual });
    expect(facts.distinguishedName).toContain('O=Another');
  });
});
