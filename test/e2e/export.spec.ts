import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aliasesIn, certificatesIn, hasKeytool, keyByJava, keyIn, listStore, openssl } from '../support/keystores.js';
import { realWorld } from '../support/odd-certificates.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { opensslCsr } from '../support/requests.js';
import { runOn } from '../support/x509.js';

const folder = mkdtempSync(join(tmpdir(), 'export-'));
const passphrase = 'Correct-Horse-9!';
let program: TestProgram;
let certificate: { id: number; body: string; chain: string; commonName: string };
let rootPem: string;
let key: string;

beforeAll(async () => {
  program = await startProgram();
  const { ok } = program;
  rootPem = (await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' }))
    .authorityCertificate.body;
  await ok('POST', '/authorities', {
    name: 'issuing',
    type: 'subca',
    parent: { name: 'root' },
    owner: 'pki@example.com',
    commonName: 'Example Issuing',
  });
  certificate = await ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: 'www.example.com',
    authority: { name: 'issuing' },
  });
  ({ key } = await ok('GET', `/certificates/${certificate.id}/key`));
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true });
});

/** Exports and writes the file; `file` is its path, `passphrase` what opens it. */
async function exported(
  plugin: object,
  id = certificate.id,
): Promise<{ file: string; passphrase: string; extension: string; bytes: Buffer }> {
  const { data, ...answer } = await program.ok('POST', `/certificates/${id}/export`, { plugin });
  const bytes = Buffer.from(data, 'base64');
  const file = join(folder, `${Math.random()}.${answer.extension}`);
  writeFileSync(file, bytes, { mode: 0o600 });
  return { ...answer, file, bytes };
}

const asDer = (pem: string): Buffer => createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
interface Event {
  logType: string;
  targetId: string;
  user: { username: string };
}
/** Newest first. */
const keyEvents = async (): Promise<Event[]> =>
  (await program.ok('GET', '/logs?count=200')).items.filter(({ logType }: Event) => logType.startsWith('key.'));

describe('an export', () => {
  it('as PEM has the certificate with its chain, and the private key only on request', async () => {
    const plain = await exported({ id: 'pem' });
    expect(certificatesIn(plain.bytes.toString())).toEqual(
      [certificate.body, certificate.chain].flatMap(certificatesIn),
    );
    const bundle = await exported({ id: 'pem-bundle' });
    expect(certificatesIn(bundle.bytes.toString())).toEqual(
      [certificate.body, certificate.chain].flatMap(certificatesIn),
    );
    expect(keyIn(bundle.bytes.toString(), bundle.passphrase ?? undefined)).toBe(asDer(key).toString('base64'));
    expect(plain.bytes.toString()).not.toContain('PRIVATE KEY');
  });

  it.each([
    ['modern', 'PBES2, PBKDF2, AES-256-CBC', []],
    ['legacy', 'pbeWithSHA1And3-KeyTripleDES-CBC', ['-legacy']],
  ])('as PKCS#12 (%s) has key and chain, and openssl opens it', async (type, algorithm, args) => {
    const { bytes, extension } = await exported({ id: 'pkcs12', options: { passphrase, type } });
    expect(extension).toBe('p12');
    const open = (pass: string): string =>
      runOn(
        { 'a.p12': bytes },
        'openssl',
        'pkcs12',
        '-in',
        'a.p12',
        '-info',
        '-noenc',
        '-passin',
        `pass:${pass}`,
        ...args,
      );
    const info = open(passphrase);
    expect(certificatesIn(info).sort()).toEqual([certificate.body, certificate.chain].flatMap(certificatesIn).sort());
    expect(keyIn(info)).toBe(asDer(key).toString('base64'));
    expect(info).toContain(`Shrouded Keybag: ${algorithm}`);
    expect(() => open('wrong')).toThrow();
  });

  it('as PKCS#12 gets a different random passphrase each time when none is given', async () => {
    const [one, two] = [
      await exported({ slug: 'openssl-export', pluginOptions: [{ name: 'type', value: 'PKCS12 (.p12)' }] }),
      await exported({ id: 'pkcs12' }),
    ];
    expect(one.passphrase).not.toBe(two.passphrase);
    for (const { file, passphrase: pass } of [one, two])
      expect(openssl(['pkcs12', '-in', file, '-noenc', '-nocerts', '-passin', 'env:PASS'], pass)).toContain(
        'PRIVATE KEY',
      );
  });

  it.skipIf(!hasKeytool)('of an uploaded key with explicit curve parameters can be opened by keytool', async () => {
    const { id } = await program.ok('POST', '/certificates/upload', {
      owner: 'joe@example.com',
      body: realWorld('p256-named.cert.pem'),
      privateKey: realWorld('p256-explicit.key.pem'),
    });
    const { key: named } = await program.ok('GET', `/certificates/${id}/key`);
    for (const slug of ['java-export', 'openssl-export']) {
      const store = await exported({ slug, pluginOptions: [{ name: 'passphrase', value: passphrase }] }, id);
      expect(keyByJava(store.file, passphrase)).toBe(asDer(named).toString('base64'));
    }
  });

  it.skipIf(!hasKeytool)('as Java key store or trust store can be opened by keytool', async () => {
    const store = await exported({
      slug: 'java-export',
      pluginOptions: [
        { name: 'passphrase', value: passphrase },
        { name: 'alias', value: 'Web' },
      ],
    });
    const listed = listStore(store.file, passphrase);
    expect(aliasesIn(listed)).toEqual(['web']);
    expect(certificatesIn(listed)).toEqual([certificate.body, certificate.chain].flatMap(certificatesIn).slice(0, 2));
    expect(keyByJava(store.file, passphrase)).toBe(asDer(key).toString('base64'));
    const trust = await exported({
      slug: 'java-truststore-jks',
      pluginOptions: [{ name: 'passphrase', value: passphrase }],
    });
    const trusted = listStore(trust.file, passphrase);
    // And the root, which is in no chain.
    expect(trusted.match(/Entry type: trustedCertEntry/g)?.length).toBe(
      [certificate.body, certificate.chain].flatMap(certificatesIn).length + 1,
    );
    const p12 = await exported({ id: 'pkcs12-truststore', options: { passphrase } });
    expect(listStore(p12.file, passphrase)).toContain('trustedCertEntry');
  });

  it('of a certificate without a stored key has only certificates', async () => {
    const { csrPem: csr } = opensslCsr('/CN=csr.example.com', [], 'ec');
    const { id, body } = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      authority: { name: 'issuing' },
      csr,
    });
    expect((await exported({ id: 'pem' }, id)).bytes.toString()).toContain(certificatesIn(body)[0]?.slice(30, 60));
    expect((await program.call('POST', `/certificates/${id}/export`, { plugin: { id: 'pkcs12' } })).status).toBe(400);
    expect(openssl(['verify', '-partial_chain', '-CAfile', saved(certificate.chain), saved(body)])).toContain('OK');
  });
});

describe('a private key', () => {
  it('is given to the owner only, and each access is in the audit log', async () => {
    const { ok, call, login } = program;
    const password = 'Correct-Horse-2!';
    for (const [username, role] of [
      ['ann', 'joe@example.com'],
      ['bob', 'operator'],
      ['eve', 'read-only'],
    ]) {
      await ok('POST', '/users', { username, email: `${username}@example.com`, password, roles: [{ name: role }] });
    }
    const before = await keyEvents();
    const asked = async (username: string): Promise<number[]> => {
      const token = await login(username, password);
      const { id } = certificate;
      return [
        (await call('GET', `/certificates/${id}/key`, undefined, { token })).status,
        (await call('POST', `/certificates/${id}/export`, { plugin: { id: 'pkcs12' } }, { token })).status,
        (await call('POST', `/certificates/${id}/export`, { plugin: { id: 'pem' } }, { token })).status,
      ];
    };
    expect(await asked('ann')).toEqual([200, 200, 200]);
    expect(await asked('bob')).toEqual([403, 403, 200]);
    expect((await asked('eve')).slice(0, 2)).toEqual([403, 403]);
    const fresh = (await keyEvents()).slice(0, -before.length);
    expect(fresh.map(({ logType, user, targetId }) => [logType, user.username, targetId])).toEqual(
      [
        ['key.refused', 'eve'],
        ['key.refused', 'bob'],
        ['key.exported', 'ann'],
        ['key.viewed', 'ann'],
      ].map((event) => [...event, String(certificate.id)]),
    );
  });

  it('of a CA is in no answer and no export', async () => {
    const authorities = await program.ok('GET', '/authorities');
    expect(JSON.stringify(authorities)).not.toMatch(/PRIVATE KEY|sealed(?!")/i);
    for (const path of ['/authorities/1/key', '/authorities/1/export'])
      expect((await program.call('GET', path)).status).toBe(404);
    expect(certificatesIn(rootPem)).toHaveLength(1);
  });
});

function saved(pem: string): string {
  const path = join(folder, `${Math.random()}.pem`);
  writeFileSync(path, pem);
  return path;
}
