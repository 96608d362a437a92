import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaTools, owner } from '../support/ca-tools.js';
import { type ChildEnv, type ProgramChild, runChild, startChild } from '../support/child.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import type { Json } from '../support/json.js';
import { adminPassword, eventually, signIn } from '../support/program.js';

// Programs that are not ours, Java among them, start slowly on a busy machine.
const module = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/local/lib/softhsm/libsofthsm2.so'].find((path) =>
  existsSync(path),
);
if (module === undefined) throw new Error('SoftHSM is needed: apt-get install softhsm2 opensc');

const tools = new CaTools();
const tokens = join(tools.folder, 'tokens');
let database: TestDatabase;
let env: ChildEnv;
let program: ProgramChild;
let api: Awaited<ReturnType<typeof signIn>>;

beforeAll(async () => {
  mkdirSync(tokens);
  const conf = tools.write(
    'softhsm2.conf',
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  process.env['SOFTHSM2_CONF'] = join(tools.folder, conf);
  tools.run('softhsm2-util', '--init-token', '--free', '--label', 'ca keys', '--pin', '2468', '--so-pin', '13579');
  database = await createTestDatabase();
  env = {
    DATABASE_URL: database.url,
    DATA_DIR: join(tools.folder, 'data'),
    ADMIN_PASSWORD: adminPassword,
    ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
    TOKEN_SECRETS: randomBytes(32).toString('hex'),
    PKCS11_MODULE: module,
    PKCS11_TOKEN_LABEL: 'ca keys',
    PKCS11_PIN_FILE: join(tools.folder, tools.write('pin', '2468\n')),
    SOFTHSM2_CONF: join(tools.folder, conf),
  };
  await restart();
});
afterAll(async () => {
  await program.kill();
  await database.drop();
  tools.close();
});

async function restart(): Promise<void> {
  program = await startChild(env);
  api = await signIn(program.url);
}

const make = (name: string, more: object = {}): Promise<Json> =>
  api.ok('POST', '/authorities', { name, owner, commonName: `CA ${name}`, keyStore: 'pkcs11', ...more });
let count = 0;
const request = (authority: string): object => {
  count += 1;
  return { owner, authority: { name: authority }, commonName: `host-${count}.example.com`, validityDays: 30 };
};
/** What pkcs11-tool says of the private keys in the token. */
const privateKeys = (): string[] =>
  tools
    .run('pkcs11-tool', '--module', module, '--login', '--pin', '2468', '--list-objects', '--type', 'privkey')
    .split('Private Key Object')
    .slice(1);

describe('an authority whose key is in a PKCS#11 token', () => {
  it.each(['ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1', 'RSA2048', 'RSA3072', 'RSA4096', 'ED25519'])(
    'issues certificates that openssl and GnuTLS verify, with a key of type %s that cannot leave',
    async (keyType) => {
      const { keyStore, authorityCertificate } = await make(keyType, { keyType });
      expect([keyStore, authorityCertificate.keyType]).toEqual(['pkcs11', keyType]);
      const leaf = await api.ok('POST', '/certificates', request(keyType));
      expect(tools.verified(leaf, authorityCertificate.body)).toBe('leaf.pem: OK');
      expect(tools.byGnutls(leaf, authorityCertificate.body)).toContain('Chain verification output: Verified');
      for (const key of privateKeys())
        expect(key).toMatch(/Access: +sensitive, always sensitive, never extract?able, local/);
    },
  );

  it('has nothing of its key in the database, and the token gives out none', async () => {
    const rows = await database.source.query(
      `select store, sealed_key, device_id from signing_key where store = 'pkcs11'`,
    );
    expect(rows.length).toBe(7);
    for (const { sealed_key: sealed, device_id: deviceId } of rows) {
      expect(sealed).toBeNull();
      const read = ['--read-object', '--type', 'privkey', '--id', deviceId.toString('hex'), '--output-file', 'stolen'];
      tools.run('pkcs11-tool', '--module', module, '--login', '--pin', '2468', ...read);
      expect(existsSync(join(tools.folder, 'stolen'))).toBe(false);
    }
  });

  it('is renewed with another key in the token, and takes its keys along when it is deleted', async () => {
    const before = privateKeys().length;
    const ca = await make('going');
    await api.ok('POST', `/authorities/${ca.id}/renew`, { newKey: true });
    expect(privateKeys().length).toBe(before + 2);
    await api.ok('DELETE', `/authorities/${ca.id}`);
    expect(privateKeys().length).toBe(before);
  });

  it('makes the key of a CSR in the token, for a CA elsewhere to sign', async () => {
    tools.makeCa('offline');
    const asked = { name: 'signed', owner, commonName: 'CA signed', keyStore: 'pkcs11' };
    const { id, csr } = await api.ok('POST', '/authorities/csrs', asked);
    tools.write('ca.csr', csr);
    tools.openssl(
      'x509',
      '-req',
      '-in',
      'ca.csr',
      '-CA',
      'offline.pem',
      '-CAkey',
      'offline.key',
      '-days',
      '900',
      '-copy_extensions',
      'copy',
      '-out',
      'ca.pem',
    );
    const chain = tools.read('ca.pem') + tools.read('offline.pem');
    expect((await api.ok('POST', `/authorities/csrs/${id}/certificate`, { chain })).keyStore).toBe('pkcs11');
    expect(tools.verified(await api.ok('POST', '/certificates', request('signed')), tools.read('offline.pem'))).toBe(
      'leaf.pem: OK',
    );
  });

  it('issues from several processes at once, and after a restart', async () => {
    const other = await startChild(env);
    try {
      const second = await signIn(other.url);
      const [root] = (await api.ok('GET', '/authorities?filter=name;ECCPRIME256V1')).items;
      const asked = Array.from({ length: 60 }, (_, n) =>
        (n % 2 ? api : second).ok('POST', '/certificates', request('ECCPRIME256V1')),
      );
      for (const leaf of await Promise.all(asked))
        expect(tools.verified(leaf, root.authorityCertificate.body)).toBe('leaf.pem: OK');
      await program.stop();
      await restart();
      const leaf = await api.ok('POST', '/certificates', request('ECCPRIME256V1'));
      expect(tools.verified(leaf, root.authorityCertificate.body)).toBe('leaf.pem: OK');
    } finally {
      await other.kill();
    }
  });

  it('issues nothing while the token is away, and goes on with the same key when it is back', async () => {
    renameSync(tokens, `${tokens}-away`);
    mkdirSync(tokens);
    const refused = await api.call('POST', '/certificates', request('RSA2048'));
    expect([refused.status, refused.body.detail]).toEqual([503, expect.stringContaining('PKCS#11 token')]);
    const [{ active, authorityCertificate }] = (await api.ok('GET', '/authorities?filter=name;RSA2048')).items;
    expect(active).toBe(true);
    // A program that starts now waits for the token too.
    await program.stop();
    await restart();
    expect((await api.call('POST', '/certificates', request('RSA2048'))).status).toBe(503);
    renameSync(tokens, `${tokens}-empty`);
    renameSync(`${tokens}-away`, tokens);
    await eventually(async () => (await api.call('POST', '/certificates', request('RSA2048'))).status === 200);
    const leaf = await api.ok('POST', '/certificates', request('RSA2048'));
    expect(tools.verified(leaf, authorityCertificate.body)).toBe('leaf.pem: OK');
  });
});

describe('the settings of PKCS#11', () => {
  it.each([
    ['a wrong PIN', { PKCS11_PIN_FILE: undefined, PKCS11_PIN: '1111' }, /refuses the PIN.*Correct PKCS11_PIN/],
    ['a module that is none', { PKCS11_MODULE: '/etc/hostname' }, /PKCS11_MODULE .etc.hostname cannot be loaded/],
    ['a module alone', { PKCS11_PIN_FILE: undefined }, /PKCS11_PIN: is needed with PKCS11_MODULE/],
  ])('refuse to start with %s, and say what to do', async (_, changes, words) => {
    const { status, stderr } = await runChild({ ...env, ...changes });
    expect([status, stderr]).toEqual([1, expect.stringMatching(words)]);
  });

  it('are needed for an authority that asks for a token', async () => {
    const plain = await startChild({
      ...env,
      PKCS11_MODULE: undefined,
      PKCS11_TOKEN_LABEL: undefined,
      PKCS11_PIN_FILE: undefined,
    });
    try {
      const { call, ok } = await signIn(plain.url);
      const body = { name: 'none', owner, commonName: 'None', keyStore: 'pkcs11' };
      const { status, body: answer } = await call('POST', '/authorities', body);
      expect([status, answer.reasons]).toEqual([400, { keyStore: [expect.stringContaining('PKCS11_MODULE')] }]);
      expect((await ok('POST', '/authorities', { ...body, keyStore: 'sealed' })).keyStore).toBe('sealed');
    } finally {
      await plain.kill();
    }
  });
});
