import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { realWorld } from '../../../test/support/odd-certificates.js';
import { brokenCertificates } from '../../../test/support/broken-certificates.js';
import {
  begin,
  ca,
  changed,
  cn,
  constrained,
  day,
  dns,
  generalized,
  issuer,
  issuerDer,
  keyIdentifier,
  leaf,
  limits,
  ofLeaf,
  oidOf,
  publicTls,
  raw,
  rsaSpkiDer,
  san,
  serial,
  serverAuth,
  spkiDer,
  time,
  twice,
  write,
} from '../../../test/support/tbs-certificates.js';
import { parseCertificate } from '../certificate.js';
import { certificateSigning } from '../certificate-signing.js';
import * as der from '../der/writer.js';
import * as extensions from '../extensions.js';
import { signatureAlgorithmOf, signerOf } from '../sign.js';
import type { LintIssuer } from './lint.js';
import { certificateLints, demandClean, lintCertificate } from './lint-certificate.js';
import { crlLintTable, lintTable, ocspLintTable } from './lint-docs.js';

const found = (tbs: Buffer, by: LintIssuer = issuer): string[] => lintCertificate(tbs, by).map((one) => one.name);

describe('the lint of a certificate', () => {
  it.each([
    ['a leaf', leaf({})],
    ['a leaf that is limited to public TLS', leaf({}), publicTls],
    ['a leaf in the name constraints of its CA', leaf({}), constrained],
    ['a leaf without a subject', leaf({ subject: der.sequence() }, { ...san(dns('a.example')), critical: true })],
    ['a leaf that ends after 2049', time(begin, generalized('20500101000000Z')), { ...issuer, limits: undefined }],
    [
      'a leaf that cannot be revoked',
      write(
        changed(ofLeaf, [extensions.noRevAvail()]).filter(
          ({ oid }) => oid !== oidOf.crlDistributionPoints && oid !== oidOf.authorityInfoAccess,
        ),
      ),
    ],
    [
      'a leaf with an RSA key',
      leaf({ spki: rsaSpkiDer }, extensions.keyUsage(['digitalSignature', 'keyEncipherment'])),
    ],
    ['a leaf with an extension of its own', leaf({}, raw('1.2.3.4', der.utf8String('own')))],
    [
      'a leaf with a name of each kind',
      leaf(
        {},
        san(
          dns('*.xn--bcher-kva.example'),
          der.implicit(7, Buffer.alloc(16)),
          der.implicit(1, Buffer.from("o'b+x@b.example")),
          der.implicit(6, Buffer.from('spiffe://a.example/b')),
          der.implicit(8, Buffer.from([0x2a, 3])),
        ),
      ),
    ],
    ['a CA', ca({})],
    ['a CA with a serial number that a person chose', ca({ serial: der.integer(1) })],
    ['a CA whose path length is below that of its issuer', ca({}), { ...issuer, limits: { ...limits, pathLength: 1 } }],
  ] as [string, Buffer, LintIssuer?][])('finds nothing in %s', (_, tbs, by = issuer) => {
    expect(lintCertificate(tbs, by)).toEqual([]);
  });

  it.each(Object.entries(brokenCertificates))('has the rule %s', (rule, certificates) => {
    for (const one of certificates) {
      const [tbs, by] = Array.isArray(one) ? (one as readonly [Buffer, LintIssuer]) : [one as Buffer, issuer];
      expect(found(tbs, by), tbs.toString('hex')).toContain(rule);
    }
  });

  it('has a broken certificate for each of its rules, and each name once', () => {
    expect(Object.keys(brokenCertificates).sort()).toEqual(certificateLints.map((one) => one.name).sort());
  });

  it('lists its rules in docs/lint.md, as `npm run docs` writes them', () => {
    const text = readFileSync(join(process.cwd(), 'docs/lint.md'), 'utf8');
    for (const table of [lintTable(), crlLintTable(), ocspLintTable()]) expect(text).toContain(table);
  });

  it('applies the Baseline Requirements only where the issuer keeps to them', () => {
    const public_ = certificateLints.filter(({ scope }) => scope === 'public-tls').map((one) => one.name);
    for (const rule of public_)
      for (const one of brokenCertificates[rule] ?? [])
        expect(found((one as readonly [Buffer, LintIssuer])[0])).not.toContain(rule);
  });

  it('warns of the Baseline Requirements where a renewal breaks them as its predecessor did', () => {
    const wrong = leaf({}, extensions.keyUsage(['digitalSignature', 'keyEncipherment']));
    expect(() => demandClean(wrong, publicTls)).toThrow('tls-key-usage-fits-key');
    const warnings = demandClean(wrong, { ...publicTls, isRenewal: true });
    expect(warnings.map((one) => one.name)).toContain('tls-key-usage-fits-key');
  });

  it('warns of what a CA keeps when it is renewed, and refuses it in a new CA and in the renewal of a leaf', () => {
    const twicePurpose = raw(oidOf.extendedKeyUsage, der.sequence(der.oid(serverAuth), der.oid(serverAuth)));
    const renewal = { ...issuer, isRenewal: true };
    for (const [tbs, by] of [
      [ca({}, twicePurpose), issuer],
      [leaf({}, twicePurpose), renewal],
    ] as const)
      expect(() => demandClean(tbs, by)).toThrow('extended-key-usage-distinct');
    expect(demandClean(ca({}, twicePurpose), renewal)).toMatchObject([{ name: 'extended-key-usage-distinct' }]);
  });

  it('warns of a subject that is not in DER in a renewal, and of none that begins with the name of the CA', () => {
    const odd = der.setOf(der.sequence(der.oid(cn), der.tlv(0x13, Buffer.from('Johnson & Johnson'))));
    const below = der.setOf(der.sequence(der.oid(cn), der.utf8String('OCSP responder')));
    const [same, other] = [der.sequence(odd, below), der.sequence(below, odd)];
    expect(found(leaf({ subject: other }))).toContain('subject-in-der');
    expect(demandClean(leaf({ subject: other }), { ...issuer, isRenewal: true })).toContainEqual(
      expect.objectContaining({ name: 'subject-in-der', severity: 'warning' }),
    );
    const byOdd = { ...issuer, issuerDer: der.sequence(odd) };
    expect(found(leaf({ subject: same, issuer: der.sequence(odd) }), byOdd)).not.toContain('subject-in-der');
    expect(found(leaf({ subject: der.sequence(odd, odd, odd), issuer: der.sequence(odd) }), byOdd)).toContain(
      'subject-in-der',
    );
  });

  it('lets warnings pass, and refuses all errors at once', () => {
    const warned = leaf({}, extensions.keyUsage(['digitalSignature', 'keyEncipherment']));
    expect(demandClean(warned, issuer).map((one) => one.name)).toEqual(['key-usage-fits-key']);
    const wrong = leaf({ serial: der.integer(0) }, twice('a_b.example'));
    expect(() => demandClean(wrong, issuer)).toThrow(
      /^Not signed: .*serial-positive \(RFC 5280 §4.1.2.2\).* san-distinct .* san-dns-syntax .*with "a_b.example"/,
    );
  });

  it('comes before the signature', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const signed: Buffer[] = [];
    const signer = {
      ...signerOf(privateKey),
      sign: async (_: unknown, data: Buffer) => (signed.push(data), Buffer.alloc(8)),
    };
    const signing = certificateSigning({
      issuerDer,
      issuerKeyIdentifier: keyIdentifier,
      algorithm: signatureAlgorithmOf(signer),
      constantExtensions: [],
      limits,
    });
    const content = {
      serial,
      notBefore: day('2026-01-01'),
      notAfter: day('2026-04-01'),
      subjectDer: issuerDer,
      spkiDer,
      extensions: [],
    };
    await expect(signing.sign(content, signer)).rejects.toMatchObject({
      code: 'lint',
      message: /subject-key-identifier/,
    });
    expect(signed).toEqual([]);
    const whole = { ...content, extensions: [extensions.subjectKeyIdentifier(keyIdentifier)] };
    expect(parseCertificate((await signing.sign(whole, signer)).der).issuerDer).toEqual(issuerDer);
    expect(signed).toHaveLength(1);
  });

  it('reads certificates of the real world without an exception', () => {
    const files = readdirSync(join(process.cwd(), 'test/support/real-world')).filter((file) =>
      file.endsWith('cert.pem'),
    );
    expect(files.length).toBeGreaterThan(3);
    for (const file of files)
      expect(found(parseCertificate(realWorld(file)).tbsDer)).toContain('issuer-is-subject-of-ca');
  });

  it('never throws for octets that were damaged', () => {
    for (const tbs of [leaf({}), ca({})])
      for (let at = 0; at < tbs.length; at++)
        for (const octet of [0, 0x30, 0x7f, 0x80, 0xff]) {
          const damaged = Buffer.from(tbs);
          damaged[at] = octet;
          expect(Array.isArray(lintCertificate(damaged, constrained))).toBe(true);
        }
  });
});
