import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrivateKey, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execFileSync } from '../../../test/support/sync-programs.js';
import type { RawExtension } from '../../plugin-api/terms.js';
import { certificateWriter } from '../certificate-writer.js';
import { parseCertificate, type ParsedCertificate } from '../certificate.js';
import { parseCrl } from '../crl-reader.js';
import { statusByCrl } from '../crl-status.js';
import { encodeCrlEntry, signCrl } from '../crl.js';
import * as der from '../der/writer.js';
import * as x from '../extensions.js';
import { generatePrivateKey, keyIdentifierOf, spkiOf } from '../key.js';
import { encodeSubject } from '../names.js';
import { toPem } from '../pem.js';
import { signatureAlgorithmOf, signerOf } from '../sign.js';
import { verifyPath } from './verify-path.js';

/*
 * Hierarchies of root, issuing CA and server certificate for each kind of key, each with one property. openssl, GnuTLS
 * and we must give the verdict that stands in the table.
 */
const dayMs = 86_400_000;
const now = new Date(Math.floor(Date.now() / 1000) * 1000);
const inDays = (days: number): Date => new Date(now.getTime() + days * dayMs);
const serverAuth = x.EXTENDED_KEY_USAGES['serverAuth'] ?? '';
const clientAuth = x.EXTENDED_KEY_USAGES['clientAuth'] ?? '';
const keyTypes = ['ECCPRIME256V1', 'ECCSECP384R1', 'RSA2048', 'ED25519'] as const;

interface Made {
  pem: string;
  key: KeyObject;
  parsed: ParsedCertificate;
  serial: number;
}

interface Wish {
  name: string;
  from?: Date;
  until?: Date;
  extensions: readonly RawExtension[];
  key: KeyObject;
}

/** What differs from a sound hierarchy. `isGood`: the verdict. `reason`: the leaf is in the CRL for it. */
interface Scenario {
  isGood: boolean;
  root?: readonly RawExtension[];
  issuing?: { extensions?: readonly RawExtension[]; only?: readonly RawExtension[]; until?: Date };
  below?: boolean;
  leaf?: Partial<Pick<Wish, 'from' | 'until'>> & { extensions?: readonly RawExtension[]; usage?: readonly string[] };
  tampered?: boolean;
  reason?: number;
}

const subtree = (tag: number, content: Buffer): Buffer => der.sequence(der.tlv(tag, content));
const dns = (name: string): Buffer => subtree(0x82, Buffer.from(name));
const constraints = (permitted: readonly Buffer[], excluded: readonly Buffer[] = []): RawExtension => ({
  oid: x.ExtensionOid.nameConstraints,
  critical: true,
  valueDer: der.sequence(
    ...(permitted.length > 0 ? [der.tlv(0xa0, ...permitted)] : []),
    ...(excluded.length > 0 ? [der.tlv(0xa1, ...excluded)] : []),
  ),
});
const caUsage = x.keyUsage(['keyCertSign', 'cRLSign']);
const organization = (name: string): Buffer => encodeSubject({ organization: name });
const unknownExtension: RawExtension = { oid: '1.2.3.4.5', critical: true, valueDer: der.nullValue() };

const scenarios: Readonly<Record<string, Scenario>> = {
  sound: { isGood: true },
  expired: { isGood: false, leaf: { from: inDays(-9), until: inDays(-1) } },
  'not yet valid': { isGood: false, leaf: { from: inDays(1) } },
  'expired issuing CA': { isGood: false, issuing: { until: inDays(-1) } },
  'for clients only': { isGood: false, leaf: { usage: [clientAuth] } },
  'issuing CA for clients only': { isGood: false, issuing: { extensions: [x.extendedKeyUsage([clientAuth])] } },
  'issuing CA for servers': { isGood: true, issuing: { extensions: [x.extendedKeyUsage([serverAuth])] } },
  'path length kept': { isGood: true, issuing: { only: [x.basicConstraints(true, 0), caUsage] } },
  'path length exceeded': { isGood: false, below: true, issuing: { only: [x.basicConstraints(true, 0), caUsage] } },
  'path length enough': { isGood: true, below: true, issuing: { only: [x.basicConstraints(true, 1), caUsage] } },
  'issuer is no CA': {
    isGood: false,
    issuing: { only: [x.basicConstraints(false), x.keyUsage(['digitalSignature'])] },
  },
  'issuer must not sign': { isGood: false, issuing: { only: [x.basicConstraints(true), x.keyUsage(['cRLSign'])] } },
  'permitted name': { isGood: true, issuing: { extensions: [constraints([dns('example.com')])] } },
  'name outside of the permitted': { isGood: false, issuing: { extensions: [constraints([dns('example.org')])] } },
  'excluded name': { isGood: false, issuing: { extensions: [constraints([], [dns('www.example.com')])] } },
  'constraints of the root': { isGood: false, root: [constraints([dns('example.org')])] },
  'permitted address': {
    isGood: true,
    issuing: { extensions: [constraints([subtree(0x87, Buffer.from([192, 0, 2, 0, 255, 255, 255, 0]))])] },
  },
  'excluded address': {
    isGood: false,
    issuing: { extensions: [constraints([], [subtree(0x87, Buffer.from([192, 0, 2, 0, 255, 255, 255, 0]))])] },
  },
  'excluded directory name': {
    isGood: false,
    issuing: { extensions: [constraints([], [subtree(0xa4, organization('Example'))])] },
  },
  'unknown critical extension': { isGood: false, leaf: { extensions: [unknownExtension] } },
  'wrong signature': { isGood: false, tampered: true },
  revoked: { isGood: false, reason: 1 },
  'on hold': { isGood: false, reason: 6 },
};

let folder: string;
const keys = new Map<string, KeyObject>();
let serial = 100;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'agreement-'));
  for (const keyType of keyTypes)
    for (const role of ['root', 'issuing', 'below', 'leaf'])
      keys.set(`${keyType} ${role}`, await generatePrivateKey(keyType));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function certify(wish: Wish, issuer?: Made): Promise<Made> {
  const signer = signerOf(issuer?.key ?? wish.key);
  const { algorithmDer, hash } = signatureAlgorithmOf(signer);
  const writer = certificateWriter({
    issuerDer: issuer?.parsed.subjectDer ?? encodeSubject({ commonName: wish.name, organization: 'Example' }),
    issuerKeyIdentifier: keyIdentifierOf(signer.spkiDer),
    signatureAlgorithm: algorithmDer,
    constantExtensions: [],
  });
  const spkiDer = spkiOf(wish.key);
  serial += 1;
  const tbs = writer.tbs({
    serial: Buffer.from([serial >> 8, serial & 0xff]),
    notBefore: wish.from ?? inDays(-10),
    notAfter: wish.until ?? inDays(30),
    subjectDer: encodeSubject({ commonName: wish.name, organization: 'Example' }),
    spkiDer,
    extensions: [x.subjectKeyIdentifier(keyIdentifierOf(spkiDer)), ...wish.extensions],
  });
  const certificateDer = writer.assemble(tbs, await signer.sign(hash, tbs));
  const made = { pem: toPem('CERTIFICATE', certificateDer), parsed: parseCertificate(certificateDer) };
  return { ...made, key: wish.key, serial };
}

/** Root first, leaf last, and the CRL of the issuer of the leaf. */
async function hierarchy(keyType: string, scenario: Scenario): Promise<{ chain: Made[]; crlPem: string }> {
  const keyOf = (role: string): KeyObject => keys.get(`${keyType} ${role}`) ?? createPrivateKey('');
  const ca = [x.basicConstraints(true), caUsage];
  const root = await certify({ name: 'Root', key: keyOf('root'), extensions: [...ca, ...(scenario.root ?? [])] });
  const { only = ca, extensions = [], until } = scenario.issuing ?? {};
  const issuing = await certify(
    { name: 'Issuing', key: keyOf('issuing'), until, extensions: [...only, ...extensions] },
    root,
  );
  const below = scenario.below ? [await certify({ name: 'Below', key: keyOf('below'), extensions: ca }, issuing)] : [];
  const names = [
    { type: 'dns', value: 'www.example.com' },
    { type: 'ip', value: '192.0.2.7' },
  ] as const;
  const { usage = [serverAuth], extensions: more = [], ...dates } = scenario.leaf ?? {};
  const issuer = below[0] ?? issuing;
  const leaf = await certify(
    {
      name: 'www.example.com',
      key: keyOf('leaf'),
      ...dates,
      extensions: [
        x.basicConstraints(false),
        x.keyUsage(['digitalSignature']),
        x.extendedKeyUsage(usage),
        x.subjectAltName(names, false),
        ...more,
      ],
    },
    issuer,
  );
  const shown = scenario.tampered ? tampered(leaf) : leaf;
  return { chain: [root, issuing, ...below, shown], crlPem: await crlOf(issuer, leaf, scenario.reason) };
}

function tampered(leaf: Made): Made {
  const bytes = Buffer.from(leaf.parsed.der);
  bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 0x01;
  return { ...leaf, pem: toPem('CERTIFICATE', bytes), parsed: parseCertificate(bytes) };
}

async function crlOf(issuer: Made, leaf: Made, reason: number | undefined): Promise<string> {
  const signer = signerOf(issuer.key);
  const { algorithmDer, hash } = signatureAlgorithmOf(signer);
  const listed = Buffer.from([leaf.serial >> 8, leaf.serial & 0xff]);
  const crl = await signCrl(
    {
      issuerDer: issuer.parsed.subjectDer,
      issuerKeyIdentifier: keyIdentifierOf(signer.spkiDer),
      signatureAlgorithm: algorithmDer,
      number: 1n,
      thisUpdate: inDays(-1),
      nextUpdate: inDays(7),
    },
    reason === undefined ? [] : [encodeCrlEntry({ serial: listed, revokedAt: inDays(-2), reason })],
    (tbs) => signer.sign(hash, tbs),
  );
  return toPem('X509 CRL', crl);
}

function accepts(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { cwd: folder, stdio: 'pipe' });
    return true;
  } catch (error) {
    if ((error as { status?: number }).status === null) throw error;
    return false;
  }
}

async function ourVerdict(chain: readonly Made[], crlPem: string): Promise<boolean> {
  const [root, ...rest] = chain.map(({ parsed }) => parsed);
  const leaf = rest.at(-1);
  if (!root || !leaf) throw new Error('No chain');
  const { valid, path } = await verifyPath(
    { leaf, intermediates: rest.slice(0, -1), anchors: [root] },
    { at: new Date(), strictness: 'rfc5280', purposes: [serverAuth], policies: {} },
  );
  const question = { certificate: leaf, issuer: path[1] ?? leaf, at: new Date() };
  return valid && (await statusByCrl(parseCrl(Buffer.from(crlPem)), question)).status === 'good';
}

describe.each(keyTypes)('hierarchies of %s keys', (keyType) => {
  it.each(Object.entries(scenarios))('%s: openssl, GnuTLS and we agree', async (_, scenario) => {
    const { chain, crlPem } = await hierarchy(keyType, scenario);
    const [root, ...rest] = chain.map(({ pem }) => pem);
    const leafFirst = [...rest].reverse();
    writeFileSync(join(folder, 'root.pem'), root ?? '');
    writeFileSync(join(folder, 'leaf.pem'), leafFirst[0] ?? '');
    writeFileSync(join(folder, 'issuers.pem'), leafFirst.slice(1).join(''));
    writeFileSync(join(folder, 'chain.pem'), leafFirst.join(''));
    writeFileSync(join(folder, 'crl.pem'), crlPem);
    const strict = ['-x509_strict', '-policy_check', '-purpose', 'sslserver', '-crl_check', '-CRLfile', 'crl.pem'];
    const verdicts = {
      openssl: accepts('openssl', 'verify', ...strict, '-CAfile', 'root.pem', '-untrusted', 'issuers.pem', 'leaf.pem'),
      gnutls: accepts(
        ...(['certtool', '--verify', '--verify-purpose', serverAuth, '--load-crl', 'crl.pem'] as const),
        ...['--load-ca-certificate', 'root.pem', '--infile', 'chain.pem'],
      ),
      ours: await ourVerdict(chain, crlPem),
    };
    const { isGood } = scenario;
    expect(verdicts).toEqual({ openssl: isGood, gnutls: isGood, ours: isGood });
  });
});

const [one, two, three] = ['1.2.3.1', '1.2.3.2', '1.2.3.3'];
const anyPolicy = '2.5.29.32.0';

interface PolicyWish {
  policies: readonly string[];
  mapping?: readonly [string, string];
  requireExplicit?: number;
  inhibitMapping?: number;
  inhibitAny?: number;
}

const small = (n: number): Buffer => der.integer(n).subarray(2);

function policyExtensions({
  policies,
  mapping,
  requireExplicit,
  inhibitMapping,
  inhibitAny,
}: PolicyWish): RawExtension[] {
  const constrained = [
    ...(requireExplicit === undefined ? [] : [der.tlv(0x80, small(requireExplicit))]),
    ...(inhibitMapping === undefined ? [] : [der.tlv(0x81, small(inhibitMapping))]),
  ];
  const critical = (oid: string, valueDer: Buffer): RawExtension => ({ oid, critical: true, valueDer });
  const pair = mapping && der.sequence(der.sequence(...mapping.map((policy) => der.oid(policy))));
  return [
    ...(policies.length > 0 ? [x.certificatePolicies(policies)] : []),
    ...(pair ? [critical(x.ExtensionOid.policyMappings, pair)] : []),
    ...(constrained.length > 0 ? [critical(x.ExtensionOid.policyConstraints, der.sequence(...constrained))] : []),
    ...(inhibitAny === undefined ? [] : [critical(x.ExtensionOid.inhibitAnyPolicy, der.integer(inhibitAny))]),
  ];
}

const policyList = fc.subarray([one, two, three, anyPolicy]);
const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 1 });
const policyWish: fc.Arbitrary<PolicyWish> = fc.record({
  policies: fc.oneof({ weight: 4, arbitrary: policyList }, { weight: 1, arbitrary: fc.constant([anyPolicy]) }),
  mapping: rarely(fc.tuple(fc.constantFrom(one, two), fc.constantFrom(two, three))),
  requireExplicit: rarely(fc.nat(2)),
  inhibitMapping: rarely(fc.nat(1)),
  inhibitAny: rarely(fc.nat(1)),
});

describe('certificate policies', () => {
  it('hold along a path exactly where openssl says so', async () => {
    const keyOf = (role: string): KeyObject => keys.get(`ECCPRIME256V1 ${role}`) ?? createPrivateKey('');
    const ca = [x.basicConstraints(true), caUsage];
    const root = await certify({ name: 'Root', key: keyOf('root'), extensions: ca });
    const seen = { true: 0, false: 0 };
    const demands = fc.record({
      accepted: rarely(fc.subarray([one, two, three], { minLength: 1 })),
      required: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(policyWish, policyWish, policyWish, demands, async (first, second, last, wanted) => {
        const issuing = await certify(
          { name: 'Issuing', key: keyOf('issuing'), extensions: [...ca, ...policyExtensions(first)] },
          root,
        );
        const below = await certify(
          { name: 'Below', key: keyOf('below'), extensions: [...ca, ...policyExtensions(second)] },
          issuing,
        );
        const { policies } = last;
        const leaf = await certify(
          { name: 'Leaf', key: keyOf('leaf'), extensions: policyExtensions({ policies }) },
          below,
        );
        writeFileSync(join(folder, 'root.pem'), root.pem);
        writeFileSync(join(folder, 'issuers.pem'), issuing.pem + below.pem);
        writeFileSync(join(folder, 'leaf.pem'), leaf.pem);
        // Without any, openssl accepts none.
        const asked = (wanted.accepted ?? [anyPolicy]).flatMap((policy) => ['-policy', policy]);
        const options = ['-policy_check', ...asked, ...(wanted.required ? ['-explicit_policy'] : [])];
        const files = ['-CAfile', 'root.pem', '-untrusted', 'issuers.pem', 'leaf.pem'];
        const theirs = accepts('openssl', 'verify', ...options, ...files);
        const { valid, faults } = await verifyPath(
          { leaf: leaf.parsed, intermediates: [issuing.parsed, below.parsed], anchors: [root.parsed] },
          { at: new Date(), strictness: 'path', purposes: [], policies: wanted },
        );
        expect({ ours: valid, faults: faults.map(({ check }) => check) }).toEqual({
          ours: theirs,
          faults: theirs ? [] : ['policies'],
        });
        seen[`${theirs}`] += 1;
      }),
      { numRuns: 80, seed: 20260301 },
    );
    expect(Math.min(seen.true, seen.false)).toBeGreaterThan(10);
  });
});
