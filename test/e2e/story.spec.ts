import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { inDays, opensslCsr, opensslText, opensslVerify, shakeHands } from '../support/requests.js';

let program: TestProgram;
let foreign: TestAuthority;
beforeAll(async () => {
  foreign = startTestAuthority();
  program = await startProgram();
});
afterAll(async () => {
  await program.stop();
  foreign.close();
});

describe('signing in', () => {
  it('gives a token for the right password, and none otherwise', async () => {
    const { call } = program;
    expect((await call('GET', '/auth/me')).body).toMatchObject({ username: 'admin' });
    expect(await call('POST', '/auth/login', { username: 'admin', password: 'wrong' }, { token: null })).toMatchObject({
      status: 401,
    });
    for (const path of ['/certificates', '/authorities', '/destinations', '/mails']) {
      expect((await call('GET', path, undefined, { token: null })).status, path).toBe(401);
    }
  });
});

describe.each([
  {
    family: 'ECDSA',
    rootKey: 'ECCSECP384R1',
    issuingKey: 'ECCPRIME256V1',
    signs: 'ecdsa-with-SHA384',
    leafKey: 'ECCPRIME256V1',
  },
  { family: 'RSA', rootKey: 'RSA3072', issuingKey: 'RSA2048', signs: 'sha256WithRSAEncryption', leafKey: 'RSA2048' },
])('authorities with $family keys', ({ family, rootKey, issuingKey, signs, leafKey }) => {
  const root = `root ${family}`;
  const issuing = `issuing ${family}`;
  let rootPem: string;

  it('form a root and an issuing CA below it, with the requested path length and dates', async () => {
    const { ok } = program;
    const made = await ok('POST', '/authorities', {
      name: root,
      owner: 'pki@example.com',
      commonName: `Example ${family} Root`,
      organization: 'Example',
      keyType: rootKey,
      pathLength: 1,
      validityStart: inDays(-2),
      validityEnd: inDays(7300),
    });
    rootPem = made.authorityCertificate.body;
    const below = await ok('POST', '/authorities', {
      name: issuing,
      type: 'subca',
      parent: { name: root },
      owner: 'pki@example.com',
      commonName: `Example ${family} Issuing`,
      keyType: issuingKey,
      validityStart: inDays(-1),
      validityEnd: inDays(3650),
      pathLength: 0,
    });
    const text = opensslText(rootPem);
    expect(text).toContain('CA:TRUE, pathlen:1');
    expect(text).toContain('Certificate Sign, CRL Sign');
    expect(text).toContain(`Signature Algorithm: ${signs}`);
    expect(opensslText(below.authorityCertificate.body)).toContain('CA:TRUE, pathlen:0');
    expect(new Date(below.authorityCertificate.notAfter).toISOString().slice(0, 10)).toBe(inDays(3650).slice(0, 10));
    expect(below).toMatchObject({ owner: 'pki@example.com', active: true, plugin: { slug: 'cryptography-issuer' } });
    expect(
      opensslVerify(rootPem, { body: below.authorityCertificate.body, chain: below.authorityCertificate.chain }),
    ).toContain('OK');
    expect(JSON.stringify(below)).not.toContain('PRIVATE KEY');
  });

  it('issue a certificate with a key made here, which openssl and a TLS client accept', async () => {
    const { ok } = program;
    const certificate = await ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'www.example.com',
      authority: { name: issuing },
      keyType: leafKey,
      validityDays: 90,
      extensions: {
        subAltNames: {
          names: [
            { nameType: 'DNSName', value: 'api.example.com' },
            { nameType: 'IPAddress', value: '192.0.2.7' },
          ],
        },
      },
    });
    expect(certificate).toMatchObject({
      lifecycle: 'issued',
      hasPrivateKey: true,
      keyType: leafKey,
      owner: 'joe@example.com',
      san: true,
      authority: { name: issuing },
    });
    expect(opensslVerify(rootPem, certificate)).toContain('OK');
    const { key } = await ok('GET', `/certificates/${certificate.id}/key`);
    const peer = await shakeHands({ key, cert: certificate.body + certificate.chain }, rootPem, 'api.example.com');
    expect(BigInt(`0x${peer.serialNumber}`).toString()).toBe(certificate.serial);
    expect(peer.subjectAltName).toBe('DNS:www.example.com, DNS:api.example.com, IP Address:192.0.2.7');
    expect(peer.checkPrivateKey(createPrivateKey(key))).toBe(true);
    await expect(
      shakeHands({ key, cert: certificate.body + certificate.chain }, foreign.rootPem, 'api.example.com'),
    ).rejects.toThrow();
  });

  it('issue for an openssl CSR with its names and key, and store no private key', async () => {
    const { ok, call } = program;
    const { csrPem, keyPem } = opensslCsr(
      '/C=DE/O=Kunde/CN=csr.example.com',
      [
        '-addext',
        'subjectAltName=DNS:csr.example.com,DNS:b.example.com,email:a@example.com',
        '-addext',
        'extendedKeyUsage=serverAuth,clientAuth',
      ],
      family === 'RSA' ? 'rsa:2048' : 'ec',
    );
    const request = { owner: 'joe@example.com', authority: { name: issuing }, csr: csrPem };
    expect(
      (await call('POST', '/certificates', { ...request, commonName: 'other.example.com' })).body.reasons,
    ).toHaveProperty('commonName');
    const certificate = await ok('POST', '/certificates', request);
    expect(certificate).toMatchObject({ cn: 'csr.example.com', hasPrivateKey: false, csr: csrPem });
    expect(certificate.domains.map((domain: { name: string }) => domain.name).sort()).toEqual([
      'a@example.com',
      'b.example.com',
      'csr.example.com',
    ]);
    expect(opensslVerify(rootPem, certificate)).toContain('OK');
    const peer = await shakeHands(
      { key: keyPem, cert: certificate.body + certificate.chain },
      rootPem,
      'b.example.com',
    );
    expect(peer.subject).toBe('C=DE\nO=Kunde\nCN=csr.example.com');
    expect(peer.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect((await call('GET', `/certificates/${certificate.id}/key`)).body).toEqual({ key: null });
  });
});

describe('generating RSA keys', () => {
  it('does not block other requests', async () => {
    const { ok, url } = program;
    let making = true;
    const made = ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'big.example.com',
      authority: { name: 'issuing RSA' },
      keyType: 'RSA4096',
    }).finally(() => {
      making = false;
    });
    let answered = 0;
    // A key made on the event loop would let through an answer before and one after it.
    for (; making; answered += 1) expect((await fetch(`${url}/health/live`)).status).toBe(200);
    expect((await made).bits).toBe(4096);
    expect(answered).toBeGreaterThan(5);
  });
});

describe('an upload', () => {
  it('of a certificate of another CA is stored with chain and key, and shows owner, names and dates', async () => {
    const { ok } = program;
    const {
      chainPem: [body = '', chain = ''],
      privateKeyPem,
    } = foreign.issue('old.example.org');
    const leaf = new X509Certificate(body);
    const uploaded = await ok('POST', '/certificates/upload', {
      owner: 'Joe@Example.com',
      body,
      chain,
      privateKey: privateKeyPem,
      name: 'cert1',
    });
    expect(uploaded).toMatchObject({
      name: 'cert1',
      owner: 'joe@example.com',
      cn: 'old.example.org',
      lifecycle: 'issued',
      authority: null,
      hasPrivateKey: true,
      issuer: 'TestIssuing',
      rotation: false,
      serial: BigInt(`0x${leaf.serialNumber}`).toString(),
      fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
      domains: [{ name: 'old.example.org' }],
    });
    expect(new Date(uploaded.notBefore)).toEqual(new Date(leaf.validFrom));
    expect(new Date(uploaded.notAfter)).toEqual(new Date(leaf.validTo));
    expect(new X509Certificate(uploaded.body).raw).toEqual(leaf.raw);
    const { key } = await ok('GET', `/certificates/${uploaded.id}/key`);
    expect(leaf.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect((await ok('GET', '/certificates/name/cert1')).items).toMatchObject([{ id: uploaded.id }]);
    expect(await ok('GET', `/certificates/${uploaded.id}/plan`)).toMatchObject({
      willRenew: false,
      reason: 'rotation-off',
    });
  });
});
