import * as x509 from '@peculiar/x509';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AuthorityMaterial, CreateAuthorityRequest, OrderRequest } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Signer } from '../../src/plugin-api/signer.js';
import type { CertificateTerms } from '../../src/plugin-api/terms.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { checkIssued } from '../../src/pki/chain.js';
import { buildCsr, parseCsr } from '../../src/pki/csr.js';
import { generatePrivateKey } from '../../src/pki/key.js';
import { encodeSubject } from '../../src/pki/names.js';
import { basicConstraints } from '../../src/pki/extensions.js';
import { signerOf } from '../../src/pki/sign.js';
import { noKeeping, noMemory } from '../../test/support/issuer-requests.js';
import { runOn } from '../../test/support/x509.js';
import { localCa, type LocalCaOptions } from './local-ca.issuer.js';

const ctx = {
  signal: new AbortController().signal,
  now: () => new Date(),
  log: () => undefined,
} as unknown as PluginContext;
const none = localCa.options.parse({});
const full: LocalCaOptions = localCa.options.parse({
  crlDistributionPoints: ['http://crl.example.com/a.crl'],
  caIssuers: ['http://ca.example.com/a.der'],
  ocsp: ['http://ocsp.example.com'],
  policies: ['1.3.6.1.4.1.55555.1'],
});
const DAY_MS = 86_400_000;
// openssl uses the real time.
const today = new Date(Math.floor(new Date().getTime() / 1000) * 1000 - DAY_MS);
const days = (n: number) => new Date(today.getTime() + n * DAY_MS);

let count = 0;
const newSigner = async (keyType = 'ECCPRIME256V1') => signerOf(await generatePrivateKey(keyType));

async function createCa(
  change: Partial<CreateAuthorityRequest> & { signer: Signer },
  options = none,
): Promise<AuthorityMaterial> {
  const request = { subject: { commonName: 'Root', country: 'CH' }, notBefore: today, notAfter: days(3650), ...change };
  const [certificatePem = '', ...chainPem] = (await localCa.createAuthority?.(request, options, ctx))?.chainPem ?? [];
  return { cacheKey: `ca-${count++}`, certificatePem, chainPem, signer: change.signer };
}

const terms: CertificateTerms = {
  subject: { commonName: 'www.example.com' },
  subjectAltNames: [
    { type: 'dns', value: 'www.example.com' },
    { type: 'ip', value: '2001:db8::1' },
  ],
  keyUsage: ['digitalSignature'],
  extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'],
  extensions: [],
  notBefore: today,
  notAfter: days(90),
};

async function orderFor(
  authority: AuthorityMaterial,
  change: Partial<CertificateTerms> = {},
  keyType = 'ECCPRIME256V1',
): Promise<OrderRequest> {
  const csrPem = await buildCsr({ subject: terms.subject, subjectAltNames: [] }, await generatePrivateKey(keyType));
  const request = {
    csrPem,
    spkiDer: parseCsr(csrPem).spkiDer,
    terms: { ...terms, ...change },
    idempotencyKey: 'once',
  };
  return { request, authority, ...noKeeping, save: () => Promise.reject(new Error('A local CA keeps no state.')) };
}

async function issued(order: OrderRequest, options = none): Promise<readonly string[]> {
  const outcome = await localCa.order(order, options, ctx);
  if (outcome.status !== 'issued') throw new Error('A local CA issues at once');
  return outcome.chainPem;
}

let root: AuthorityMaterial;
let sub: AuthorityMaterial;
beforeAll(async () => {
  root = await createCa({ signer: await newSigner() });
  sub = await createCa(
    {
      signer: await newSigner(),
      subject: { commonName: 'Issuing' },
      pathLength: 0,
      notAfter: days(1825),
      parent: root,
    },
    full,
  );
});

describe('local CA', () => {
  it.each(['RSA2048', 'ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1', 'ED25519'])(
    'with %s makes chains that openssl and certtool trust',
    async (keyType) => {
      const top = await createCa({ signer: await newSigner(keyType) });
      const middle = await createCa(
        {
          signer: await newSigner(keyType),
          subject: { commonName: 'Middle' },
          pathLength: 0,
          notAfter: days(1000),
          parent: top,
        },
        full,
      );
      const order = await orderFor(middle, {}, keyType);
      const chain = await issued(order, full);
      expect(chain.slice(1)).toEqual([middle.certificatePem]);
      const files = {
        'root.pem': top.certificatePem,
        'sub.pem': middle.certificatePem,
        'leaf.pem': chain[0] ?? '',
        'all.pem': [...chain, top.certificatePem].join(''),
      };
      expect(
        runOn(
          files,
          'openssl',
          'verify',
          '-x509_strict',
          '-purpose',
          'sslserver',
          '-verify_hostname',
          'www.example.com',
          '-CAfile',
          'root.pem',
          '-untrusted',
          'sub.pem',
          'leaf.pem',
        ),
      ).toContain('leaf.pem: OK');
      expect(runOn(files, 'certtool', '--verify-chain', '--infile', 'all.pem')).toContain('The certificate is trusted');
      await checkIssued(
        chain.map((pem) => parseCertificate(pem)),
        order.request,
      );
    },
  );

  it('writes the extensions that openssl shows', async () => {
    const [leaf = ''] = await issued(await orderFor(sub), full);
    const text = runOn({ 'leaf.pem': leaf }, 'openssl', 'x509', '-in', 'leaf.pem', '-noout', '-text').replace(
      /\s+/g,
      ' ',
    );
    for (const shown of [
      'Basic Constraints: critical CA:FALSE',
      'Key Usage: critical Digital Signature',
      'Extended Key Usage: TLS Web Server Authentication',
      'DNS:www.example.com, IP Address:2001:DB8:0:0:0:0:0:1',
      'Full Name: URI:http://crl.example.com/a.crl',
      'OCSP - URI:http://ocsp.example.com',
      'CA Issuers - URI:http://ca.example.com/a.der',
      'Policy: 1.3.6.1.4.1.55555.1',
      'Subject Key Identifier',
      'Authority Key Identifier',
    ])
      expect(text).toContain(shown);
    const theirs = new x509.X509Certificate(leaf);
    expect(theirs.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId).toBe(
      parseCertificate(sub.certificatePem).subjectKeyIdentifier,
    );
    expect(theirs.getExtension(x509.SubjectAlternativeNameExtension)?.critical).toBe(false);
  });

  it('assigns positive serial numbers of 16 octets, none twice', async () => {
    const request = await orderFor(sub);
    const serials = await Promise.all(
      Array.from({ length: 200 }, async () => parseCertificate((await issued(request))[0] ?? '').serialHex),
    );
    expect(new Set(serials).size).toBe(200);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it('returns the chain without the root, unless the root issues', async () => {
    expect(await issued(await orderFor(root))).toHaveLength(2);
    const chain = await issued(
      await orderFor({
        ...sub,
        cacheKey: 'with itself in the chain',
        chainPem: [sub.certificatePem, root.certificatePem],
      }),
    );
    expect(chain.map((pem) => parseCertificate(pem).subject)).toEqual(['CN=www.example.com', 'CN=Issuing']);
  });

  it('returns every intermediate CA, even without an authority key identifier', async () => {
    const topKey = await generatePrivateKey('ECCPRIME256V1');
    const top = await createCa({ signer: signerOf(topKey) });
    const middleKey = await generatePrivateKey('ECCPRIME256V1');
    const files = {
      'top.pem': top.certificatePem,
      'top.key': topKey.export({ format: 'pem', type: 'pkcs8' }),
      ext: 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=none\n',
      'csr.pem': await buildCsr({ subject: { commonName: 'Between' }, subjectAltNames: [] }, middleKey),
    };
    const certificatePem = runOn(
      files,
      'sh',
      '-c',
      'openssl x509 -req -in csr.pem -CA top.pem -CAkey top.key -days 300 -extfile ext 2>/dev/null',
    );
    expect(parseCertificate(certificatePem).authorityKeyIdentifier).toBeUndefined();
    const between: AuthorityMaterial = {
      cacheKey: 'between',
      certificatePem,
      chainPem: [top.certificatePem],
      signer: signerOf(middleKey),
    };
    const period = { notBefore: parseCertificate(certificatePem).notBefore, notAfter: days(100) };
    const lowest = await createCa({
      signer: await newSigner(),
      subject: { commonName: 'Lowest' },
      ...period,
      parent: between,
    });
    const chain = await issued(await orderFor(lowest, { ...period, notAfter: days(90) }));
    expect(chain.map((pem) => parseCertificate(pem).subject)).toEqual([
      'CN=www.example.com',
      'CN=Lowest',
      'CN=Between',
    ]);
  });

  it('keeps a subject given in DER, and marks SANs critical without one', async () => {
    const subjectDer = encodeSubject({ commonName: 'kept', organization: 'As it was' });
    expect(parseCertificate((await issued(await orderFor(sub, { subjectDer })))[0] ?? '').subjectDer).toEqual(
      subjectDer,
    );
    const anonymous = parseCertificate((await issued(await orderFor(sub, { subject: {} })))[0] ?? '');
    expect(anonymous.extensions.find(({ oid }) => oid === '2.5.29.17')?.critical).toBe(true);
  });

  it('derives the CA again when the cache key changes', async () => {
    const request = await orderFor({ ...sub, cacheKey: 'before' });
    const has = (pem = '') => parseCertificate(pem).extensions.some(({ oid }) => oid === '2.5.29.31');
    expect(has((await issued(request, none))[0])).toBe(false);
    expect(has((await issued({ ...request, authority: { ...sub, cacheKey: 'after' } }, full))[0])).toBe(true);
  });

  it.each<[string, Partial<CertificateTerms>, RegExp]>([
    ['an end after that of the CA', { notAfter: days(1826) }, /^Validity end must not be after/],
    ['a start before that of the CA', { notBefore: days(-1) }, /^Validity start must not be before/],
    ['an end before the start', { notAfter: today }, /^Validity start must be before/],
    ['neither subject nor SAN', { subject: {}, subjectAltNames: [] }, /subject/],
    ['keyCertSign', { keyUsage: ['keyCertSign'] }, /keyCertSign/],
    ['basicConstraints of its own', { extensions: [basicConstraints(true)] }, /repeated/],
    ['a bad name', { subjectAltNames: [{ type: 'dns', value: 'a b' }] }, /DNS name/],
    ['a long common name', { subject: { commonName: 'x'.repeat(65) } }, /64/],
  ])('refuses %s', async (_, change, detail) => {
    await expect(issued(await orderFor(sub, change))).rejects.toMatchObject({
      name: 'PluginError',
      fault: 'refused',
      detail: expect.stringMatching(detail),
    });
  });

  it('is misconfigured without a key, with a foreign key, or with a certificate that is not a CA', async () => {
    const [leaf = ''] = await issued(await orderFor(sub));
    const misconfigured: AuthorityMaterial[] = [
      { ...sub, cacheKey: 'm1', signer: undefined },
      { ...sub, signer: undefined },
      { ...sub, cacheKey: 'm2', signer: await newSigner() },
      { ...sub, cacheKey: 'm3', certificatePem: leaf },
    ];
    for (const authority of misconfigured)
      await expect(issued(await orderFor(authority))).rejects.toMatchObject({ fault: 'misconfigured' });
  });

  it('creates CAs with critical constraints', () => {
    const { extensions, isCa, pathLength, keyUsage } = parseCertificate(sub.certificatePem);
    expect({ isCa, pathLength, keyUsage }).toEqual({ isCa: true, pathLength: 0, keyUsage: ['keyCertSign', 'cRLSign'] });
    expect(
      extensions
        .filter(({ critical }) => critical)
        .map(({ oid }) => oid)
        .sort(),
    ).toEqual(['2.5.29.15', '2.5.29.19']);
    expect(sub.chainPem).toEqual([root.certificatePem]);
  });

  it('requires path lengths to decrease', async () => {
    const limited = await createCa({ signer: await newSigner(), pathLength: 2 });
    const signer = await newSigner();
    const below = (pathLength: number | undefined, parent: AuthorityMaterial) =>
      createCa({ signer, subject: { commonName: 'Below' }, notAfter: days(100), pathLength, parent });
    expect(parseCertificate((await below(1, limited)).certificatePem).pathLength).toBe(1);
    expect(parseCertificate((await below(undefined, limited)).certificatePem).pathLength).toBeUndefined();
    await expect(below(2, limited)).rejects.toMatchObject({ fault: 'refused' });
    await expect(below(undefined, sub)).rejects.toMatchObject({
      fault: 'refused',
      detail: expect.stringContaining('path length is 0'),
    });
  });

  it.each<[string, Partial<CreateAuthorityRequest>]>([
    ['that outlive their parent', { notAfter: days(3651) }],
    ['with the name of their parent', { subject: { commonName: 'Root', country: 'CH' } }],
    ['without a name', { subject: {} }],
    ['that end before they begin', { notAfter: days(-1) }],
  ])('refuses CAs %s', async (_, change) => {
    const request = {
      signer: await newSigner(),
      subject: { commonName: 'Below' },
      notAfter: days(10),
      parent: root,
      ...change,
    };
    await expect(createCa(request)).rejects.toMatchObject({ fault: 'refused' });
  });

  it('stops when aborted, and revokes without a remote CA', async () => {
    await expect(localCa.order(await orderFor(sub), none, { ...ctx, signal: AbortSignal.abort() })).rejects.toThrow();
    await expect(localCa.revoke?.({ chainPem: [], reason: 1, ...noMemory }, none, ctx)).resolves.toBeUndefined();
  });
});
