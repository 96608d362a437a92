import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { openssl } from '../../test/support/bundles.js';
import type { RawExtension, SubjectAltName, SubjectFields } from '../plugin-api/terms.js';
import { certificateWriter } from './certificate-writer.js';
import { type ParsedCertificate, parseCertificate } from './certificate.js';
import { type Ask, checkChain, checkIssued, orderChain } from './chain.js';
import * as der from './der/writer.js';
import * as own from './extensions.js';
import { keyIdentifierOf } from './key.js';
import { PkiError } from './pki-error.js';
import { encodeSubject } from './names.js';
import { signatureAlgorithmOf, signerOf } from './sign.js';

const newSigner = () => signerOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey);
type Party = { name: SubjectFields; signer: ReturnType<typeof newSigner> };

const DAY_MS = 86_400_000;
const notBefore = new Date('2026-06-01T00:00:00Z');
const notAfter = new Date('2026-09-01T00:00:00Z');
const host: SubjectAltName = { type: 'dns', value: 'www.example.com' };

interface Change {
  names?: SubjectAltName[];
  notBefore?: Date;
  notAfter?: Date;
  extensions?: RawExtension[];
}

async function issue(subject: Party, issuer: Party, change: Change = {}): Promise<ParsedCertificate> {
  const { hash, algorithmDer } = signatureAlgorithmOf(issuer.signer);
  const writer = certificateWriter({
    issuerDer: encodeSubject(issuer.name),
    issuerKeyIdentifier: keyIdentifierOf(issuer.signer.spkiDer),
    signatureAlgorithm: algorithmDer,
    constantExtensions: [],
  });
  const { names = [] } = change;
  const tbs = writer.tbs({
    serial: Buffer.from([1]),
    notBefore: change.notBefore ?? notBefore,
    notAfter: change.notAfter ?? notAfter,
    subjectDer: encodeSubject(subject.name),
    spkiDer: subject.signer.spkiDer,
    extensions: [...(names.length > 0 ? [own.subjectAltName(names, false)] : []), ...(change.extensions ?? [])],
  });
  return parseCertificate(writer.assemble(tbs, await issuer.signer.sign(hash, tbs)));
}

const root: Party = { name: { commonName: 'Root' }, signer: newSigner() };
const middle: Party = { name: { commonName: 'Middle' }, signer: newSigner() };
const leaf: Party = { name: { commonName: 'www.example.com' }, signer: newSigner() };
const impostor: Party = { name: middle.name, signer: newSigner() };
let rootCertificate: ParsedCertificate,
  middleCertificate: ParsedCertificate,
  leafCertificate: ParsedCertificate,
  impostorCertificate: ParsedCertificate;

beforeAll(async () => {
  rootCertificate = await issue(root, root);
  middleCertificate = await issue(middle, root);
  leafCertificate = await issue(leaf, middle, { names: [host] });
  impostorCertificate = await issue(impostor, root);
});

describe('checkChain', () => {
  it.each(['secp384r1', 'secp521r1', 'brainpoolP512r1'])(
    'verifies signatures of %s beside the event loop',
    async (curve) => {
      const args = ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-sha256'];
      const pem = openssl(['req', '-x509', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=slow', ...args]);
      const slow = parseCertificate(pem);
      let turns = 0;
      const turn = (): void => void ((turns += 1), (next = setImmediate(turn)));
      let next = setImmediate(turn);
      for (let i = 0; i < 5; i += 1) await checkChain(slow, [slow]);
      clearImmediate(next);
      expect(turns).toBeGreaterThanOrEqual(5);
    },
  );

  it('refuses more than ten issuers before it verifies a signature', async () => {
    await expect(
      checkChain(
        leafCertificate,
        Array.from({ length: 11 }, () => rootCertificate),
      ),
    ).rejects.toMatchObject({
      code: 'chain-too-long',
      message: 'A chain holds at most 10 certificates, not 11',
    });
  });

  it('accepts chains in order, with and without root, and none', async () => {
    await checkChain(leafCertificate, [middleCertificate, rootCertificate]);
    await checkChain(leafCertificate, [middleCertificate]);
    await checkChain(leafCertificate, []);
  });

  it('names the certificate that its issuer did not sign', async () => {
    await expect(checkChain(leafCertificate, [rootCertificate, middleCertificate])).rejects.toMatchObject({
      code: 'chain-order',
      message: "Incorrect chain certificate(s) provided: 'www.example.com' is not signed by 'Root'",
    });
    await expect(checkChain(leafCertificate, [impostorCertificate])).rejects.toMatchObject({ code: 'chain-order' });
    await expect(checkChain(leafCertificate, [middleCertificate, middleCertificate])).rejects.toMatchObject({
      code: 'chain-order',
    });
  });
});

describe('orderChain', () => {
  it('finds the issuers among unrelated certificates', async () => {
    const pool = [impostorCertificate, rootCertificate, leafCertificate, middleCertificate];
    expect(await orderChain(leafCertificate, pool)).toEqual([middleCertificate, rootCertificate]);
    expect(await orderChain(leafCertificate, [rootCertificate])).toEqual([]);
    expect(await orderChain(rootCertificate, pool)).toEqual([]);
  });

  it('ends when two CAs certify each other', async () => {
    const crossed = await issue(root, middle);
    expect(await orderChain(leafCertificate, [middleCertificate, crossed])).toEqual([middleCertificate, crossed]);
  });
});

const invert = (allows: Ask['allows']): Ask['allows'] =>
  Object.fromEntries(Object.keys(allows ?? {}).map((name) => [name, false]));

describe('checkIssued', () => {
  const terms: Ask['terms'] = {
    subject: leaf.name,
    subjectAltNames: [host],
    keyUsage: ['digitalSignature'],
    notBefore,
    notAfter,
  };
  const ask: Ask = { spkiDer: leaf.signer.spkiDer, terms };
  const returned = (change: Change, name = leaf.name) => issue({ ...leaf, name }, middle, { names: [host], ...change });

  it.each<[string, Change, Ask['terms'] | undefined]>([
    ['what was asked', {}, undefined],
    ['a start up to a day earlier', { notBefore: new Date(notBefore.getTime() - DAY_MS) }, undefined],
    ['an earlier end', { notAfter: new Date(notAfter.getTime() - 60 * DAY_MS) }, undefined],
    [
      'the common name among the SANs',
      { names: [{ type: 'dns', value: 'b.example' }, host] },
      { ...terms, subjectAltNames: [{ type: 'dns', value: 'b.example' }] },
    ],
    [
      'another spelling of an asked name',
      {},
      { ...terms, subjectAltNames: [{ type: 'dns', value: 'WWW.example.COM' }] },
    ],
  ])('accepts %s', async (_, change, asked) => {
    await checkIssued([await returned(change), middleCertificate], { ...ask, terms: asked ?? terms });
  });

  it.each<[string, Change, Ask['allows']]>([
    ['a later end', { notAfter: new Date(notAfter.getTime() + 1000) }, { ownValidity: true }],
    ['a foreign name', { names: [host, { type: 'dns', value: 'example.com' }] }, { extraNames: true }],
    ['a missing name', {}, { fewerNames: true }],
  ])('accepts %s if the issuer is allowed to, and no other difference', async (_, change, allows) => {
    const chain = [await returned(change), middleCertificate];
    const missing = { ...terms, subjectAltNames: [host, { type: 'dns', value: 'b.example' }] } as const;
    const asked = { ...ask, terms: allows?.fewerNames ? missing : terms };
    await checkIssued(chain, { ...asked, allows });
    const others = { ownValidity: true, extraNames: true, fewerNames: true, ...invert(allows) };
    await expect(checkIssued(chain, { ...asked, allows: others })).rejects.toBeInstanceOf(PkiError);
  });

  it.each<[string, Change, Ask['terms']]>([
    ['no SAN', { names: [] }, terms],
    ['other SANs alone', { names: [{ type: 'dns', value: 'www.example.net' }] }, terms],
    ['another common name alone, where no SAN was asked', { names: [] }, { ...terms, subjectAltNames: [] }],
  ])('refuses %s also where the issuer may add and leave out names', async (_, change, asked) => {
    const name = asked.subjectAltNames.length > 0 ? leaf.name : {};
    const chain = [await returned(change, name), middleCertificate];
    const allows = { extraNames: true, fewerNames: true };
    await expect(checkIssued(chain, { ...ask, terms: asked, allows })).rejects.toMatchObject({ code: 'name-mismatch' });
  });

  it.each<[string, Change, typeof leaf.name]>([
    ['there', { names: [] }, leaf.name],
    ['among the SANs', {}, {}],
  ])('accepts the common name %s where no SAN was asked', async (_, change, name) => {
    const chain = [await returned(change, name), middleCertificate];
    await checkIssued(chain, { ...ask, terms: { ...terms, subjectAltNames: [] } });
  });

  it('accepts an absent common name, or a SAN as common name', async () => {
    await checkIssued([await returned({}, {}), middleCertificate], ask);
    await checkIssued([await returned({}), middleCertificate], {
      ...ask,
      terms: { ...terms, subject: { commonName: 'Web server' } },
    });
  });

  it.each<[string, Change, string]>([
    ['a missing name', { names: [] }, 'name-mismatch'],
    ['a foreign name', { names: [host, { type: 'dns', value: 'evil.example' }] }, 'name-mismatch'],
    ['a foreign address', { names: [host, { type: 'ip', value: '192.0.2.1' }] }, 'name-mismatch'],
    ['a start two days earlier', { notBefore: new Date(notBefore.getTime() - 2 * DAY_MS) }, 'validity-mismatch'],
    ['a later end', { notAfter: new Date(notAfter.getTime() + 1000) }, 'validity-mismatch'],
    ['an end before the start', { notAfter: new Date(notBefore.getTime() - 1000) }, 'validity-mismatch'],
    ['a CA', { extensions: [own.basicConstraints(true)] }, 'usage-mismatch'],
  ])('refuses %s', async (_, change, code) => {
    await expect(checkIssued([await returned(change), middleCertificate], ask)).rejects.toMatchObject({ code });
  });

  it('refuses names of a type that was not requested', async () => {
    const otherName = der.explicit(0, der.oid('1.2.3'), der.explicit(0, der.utf8String('x')));
    const san = {
      oid: '2.5.29.17',
      critical: false,
      valueDer: der.sequence(der.implicit(2, Buffer.from(host.value)), otherName),
    };
    await expect(
      checkIssued([await returned({ names: [], extensions: [san] }), middleCertificate], ask),
    ).rejects.toMatchObject({ code: 'name-mismatch' });
  });

  it('refuses another key, another common name, a broken chain and an empty answer', async () => {
    await expect(
      checkIssued([leafCertificate, middleCertificate], { ...ask, spkiDer: middle.signer.spkiDer }),
    ).rejects.toMatchObject({ code: 'key-mismatch' });
    await expect(checkIssued([await returned({}, { commonName: 'evil.example' })], ask)).rejects.toMatchObject({
      code: 'name-mismatch',
    });
    await expect(checkIssued([leafCertificate, impostorCertificate], ask)).rejects.toMatchObject({
      code: 'chain-order',
    });
    await expect(checkIssued([], ask)).rejects.toMatchObject({ code: 'chain-order' });
  });
});
