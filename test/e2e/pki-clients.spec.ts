import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCertificate } from '../../src/pki/certificate.js';
import { parseCrl, findEntry } from '../../src/pki/crl-reader.js';
import { serialOf } from '../../src/pki/crl-status.js';
import { serviceUrls } from '../../src/pki/extension-reader.js';
import { KEY_TYPES } from '../../src/pki/key.js';
import { parsePem, splitCertificates } from '../../src/pki/pem.js';
import { crlUrlIn } from '../engines/cases.js';
import { javaVerdicts } from '../engines/java.js';
import { asn1Faults } from '../support/dumpasn1.js';
import type { Json } from '../support/json.js';
import { type OcspClients, ocspClients } from '../support/ocsp-clients.js';
import { freePort } from '../support/own-server.js';
import { adminPassword, eventually, startProgram, type TestProgram } from '../support/program.js';

/*
 * Java, OpenSSL and GnuTLS get nothing but the certificates: they fetch CRLs and OCSP answers of the running program at
 * the addresses that it has written into them.
 */
let program: TestProgram;
let clients: OcspClients;
let root: Json;
beforeAll(async () => {
  const port = await freePort();
  const settings = { PORT: String(port), PKI_URL: `http://127.0.0.1:${port}`, PKI_REQUESTS_PER_SECOND: '0' };
  program = await startProgram(settings);
  clients = ocspClients();
  root = await makeCa('root', { type: 'root' });
  clients.file('root.pem', root.authorityCertificate.body);
});
afterAll(async () => {
  clients.close();
  await program.stop();
});

const owner = 'pki@example.com';
const makeCa = (name: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/authorities', {
    name,
    owner,
    commonName: `CA ${name}`,
    type: 'subca',
    ...(name !== 'root' && { parent: { name: 'root' } }),
    ...more,
  });
let count = 0;
const issue = (authority: string): Promise<Json> => {
  count += 1;
  const commonName = `host-${count}.example.com`;
  return program.ok('POST', '/certificates', { owner, authority: { name: authority }, commonName, validityDays: 30 });
};

const derOf = (pem: string): Buffer => parseCertificate(pem).der;
const chainOf = ({ body, chain }: Json): string[] => [body, ...splitCertificates(chain)];

/** Waits until the CRL that the certificate names says so. */
async function listed(pem: string, isListed: boolean): Promise<void> {
  const certificate = parseCertificate(pem);
  await eventually(async () => {
    const answer = await fetch(crlUrlIn(certificate));
    if (!answer.ok) return false;
    const crl = parseCrl(Buffer.from(await answer.arrayBuffer()));
    return ((await findEntry(crl, serialOf(certificate))) !== null) === isListed;
  });
}

/** What Java says of each, by what it fetches. */
async function byJava(certificates: readonly Json[], lookUp: 'crl' | 'ocsp'): Promise<string[]> {
  const anchors = [derOf(root.authorityCertificate.body)];
  return javaVerdicts(
    certificates.map((one) => ({ lookUp, anchors, path: chainOf(one).map((pem) => ({ der: derOf(pem) })) })),
  );
}

/** OpenSSL fetches the CRLs of the whole chain; that of the root, which names none, is given to it. */
async function byOpenssl(certificate: Json): Promise<string> {
  const [leaf = '', ...above] = chainOf(certificate);
  const crl = await (await fetch(crlUrlIn(parseCertificate(above.at(-1) ?? leaf)))).arrayBuffer();
  const files = ['-CAfile', 'root.pem', '-untrusted', clients.file('chain.pem', above.join(''))];
  const lists = ['-crl_download', '-CRLfile', clients.file('root.crl', Buffer.from(crl))];
  const said = await clients.run(
    'openssl',
    'verify',
    ...['-x509_strict', '-crl_check_all', ...lists, ...files, clients.file('leaf.pem', leaf)],
  );
  return /error (\d+) at/.exec(said)?.[1] ?? (said.endsWith('leaf.pem: OK\n') ? 'OK' : said);
}

/** GnuTLS asks the responder that the certificate names. */
async function byGnutls(certificate: Json): Promise<string> {
  const [leaf = '', issuer = root.authorityCertificate.body] = chainOf(certificate);
  const issuerFile = clients.file('issuer.pem', issuer);
  const files = [
    '--load-cert',
    clients.file('leaf.pem', leaf),
    '--load-issuer',
    issuerFile,
    '--load-trust',
    issuerFile,
  ];
  const said = await clients.run('ocsptool', '--ask', ...files);
  const isVerified = /^Verifying OCSP Response: Success\.$/m.test(said);
  return isVerified ? (/Certificate Status: (\w+)/.exec(said)?.[1] ?? said) : said;
}

interface Subject {
  name: string;
  more: object;
  isRenewed?: boolean;
}

describe.each<[string, Subject]>([
  ['a CA with one CRL', { name: 'one', more: {} }],
  ['a CA with sharded CRLs', { name: 'sharded', more: { plugin: { id: 'local-ca', options: { crlShards: 3 } } } }],
  ['a CA with an Ed25519 key', { name: 'edwards', more: { keyType: 'ED25519' } }],
  ['a CA that was renewed with a new key', { name: 'renewed', more: {}, isRenewed: true }],
])('clients of %s', (_, { name, more, isRenewed }) => {
  let certificates: Json[];
  let sub: Json;
  beforeAll(async () => {
    sub = await makeCa(name, more);
    const [good, revoked, held, released] = [
      await issue(name),
      await issue(name),
      await issue(name),
      await issue(name),
    ] as const;
    if (isRenewed) await program.ok('POST', `/authorities/${sub.id}/renew`, { validityYears: 2, newKey: true });
    const late = await issue(name);
    for (const one of [revoked, late])
      await program.ok('PUT', `/certificates/${one.id}/revoke`, { crlReason: 'keyCompromise' });
    for (const one of [held, released]) await program.ok('PUT', `/certificates/${one.id}/hold`, {});
    for (const one of [revoked, held, released, late]) await listed(one.body, true);
    await program.ok('PUT', `/certificates/${released.id}/release`, {});
    await listed(released.body, false);
    certificates = [good, revoked, held, released, late, await issue(name)];
  });

  it('learn from CRLs and OCSP what is revoked, on hold and released', async () => {
    const verdicts = ['good', 'revoked', 'revoked', 'good', 'revoked', 'good'];
    expect(await byJava(certificates, 'crl')).toEqual(verdicts);
    expect(await byJava(certificates, 'ocsp')).toEqual(verdicts);
    for (const [at, certificate] of certificates.entries()) {
      const isGood = verdicts[at] === 'good';
      expect({ at, said: await byOpenssl(certificate) }).toEqual({ at, said: isGood ? 'OK' : '23' });
      expect({ at, said: await byGnutls(certificate) }).toEqual({ at, said: verdicts[at] });
    }
  });

  it('learn from the parent that the CA itself is revoked', async () => {
    const [good] = certificates as [Json];
    const caPem = chainOf(good)[1] ?? '';
    await program.ok('PUT', `/authorities/${sub.id}/revoke`, { crlReason: 'cACompromise' });
    await listed(caPem, true);
    expect(await byJava([good], 'crl')).toEqual(['revoked']);
    expect(await byJava([good], 'ocsp')).toEqual(['revoked']);
    expect(await byOpenssl(good)).toBe('23');
    expect(await byGnutls({ body: caPem, chain: root.authorityCertificate.body })).toBe('revoked');
  });
});

describe('dumpasn1', () => {
  const octets = async (path: string): Promise<Buffer> => {
    const answer = await fetch(`${program.url}${path}`, { headers: { authorization: `Bearer ${await admin()}` } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return Buffer.from(await answer.arrayBuffer());
  };
  const admin = (): Promise<string> => program.login('admin', adminPassword);
  const mail = { subAltNames: { names: [{ nameType: 'rfc822Name', value: 'joe@example.com' }] } };

  it('finds no fault in certificates of every profile and of CAs with every type of key', async () => {
    const objects = new Map<string, Buffer>();
    for (const keyType of KEY_TYPES.filter((one) => !/^RSA[34]/.test(one))) {
      const nameConstraints = { permitted: { dns: ['example.com'] }, excluded: { ip: ['10.0.0.0/8'] } };
      const made = await makeCa(`dump-${keyType}`, { keyType, pathLength: 0, nameConstraints });
      objects.set(`CA ${keyType}`, derOf(made.authorityCertificate.body));
    }
    const { items } = await program.ok('GET', '/profiles');
    for (const { name } of items.filter((profile: Json) => profile.name !== 'ca')) {
      const { id } = await program.ok('POST', '/certificates', {
        owner,
        authority: { name: 'root' },
        profile: { name },
        commonName: name === 'e-mail' ? 'Joe' : `${name}.example.com`,
        ...(name === 'e-mail' && { extensions: mail }),
      });
      objects.set(`profile ${name}`, await octets(`/api/1/certificates/${id}/files/certificate.der`));
      objects.set(`chain ${name}`, await octets(`/api/1/certificates/${id}/files/fullchain.p7b`));
    }
    expect([...objects.keys()]).toEqual(
      expect.arrayContaining(['profile server', 'profile ocsp-responder', 'CA ED25519']),
    );
    expect(await asn1Faults(objects)).toEqual({});
  });

  it('finds no fault in a CSR, and in errors of the OCSP responder', async () => {
    const { csr } = await program.ok('POST', '/authorities/csrs', {
      name: 'elsewhere',
      owner,
      commonName: 'CA elsewhere',
    });
    const url = serviceUrls(parseCertificate((await issue('root')).body).extensions).ocsp[0] ?? '';
    const malformed = await fetch(url, {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': 'application/ocsp-request' },
    });
    expect(malformed.status).toBe(400);
    const objects = new Map([
      ['csr', parsePem(csr, 'CERTIFICATE REQUEST')[0] ?? Buffer.alloc(0)],
      ['error', Buffer.from(await malformed.arrayBuffer())],
    ]);
    expect(await asn1Faults(objects)).toEqual({});
  });
});
