import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyRing } from '../../src/platform/secrets/key-ring.js';
import { Sealed } from '../../src/platform/secrets/sealed.js';
import { type ChildEnv, type ProgramChild, runCli, startChild } from '../support/child.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { adminPassword, eventually, signIn, startProgram } from '../support/program.js';
import type { Json } from '../support/json.js';

const ringKey = (text: string): { id: string; key: Buffer } => {
  const [id = '', base64 = ''] = text.split(':');
  return { id, key: Buffer.from(base64, 'base64') };
};
const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;

async function rekey(env: ChildEnv, ...args: string[]): Promise<Json> {
  const { status, stdout } = await runCli(env, ['--json', 'rekey', ...args]);
  return { status, ...JSON.parse(stdout) };
}

describe('rekeying to a new sealing key', () => {
  const [old, fresh] = [key('old'), key('fresh')];
  let database: TestDatabase;
  let folder: string;
  let program: ProgramChild;
  let certificates: { id: number; key: string }[];
  const env = (keys: string): ChildEnv => ({
    DATA_DIR: folder,
    DATABASE_URL: database.url,
    ADMIN_PASSWORD: adminPassword,
    ENCRYPTION_KEYS: keys,
  });
  const restart = async (keys: string): Promise<Awaited<ReturnType<typeof signIn>>> => {
    await program?.stop();
    program = await startChild(env(keys));
    return signIn(program.url);
  };
  beforeAll(async () => {
    database = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'perennial-'));
    const { ok } = await restart(old);
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    certificates = [];
    for (const commonName of ['a.example.com', 'b.example.com', 'c.example.com']) {
      const { id } = await ok('POST', '/certificates', {
        owner: 'joe@example.com',
        commonName,
        authority: { name: 'root' },
      });
      certificates.push({ id, key: (await ok('GET', `/certificates/${id}/key`)).key });
    }
  });
  afterAll(async () => {
    await program.kill();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it('is refused with a key that a running process lacks', async () => {
    const { status, stderr } = await runCli(env(`${fresh},${old}`), ['query']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^\S+:\d+ runs without key "fresh"/),
    });
    expect(await database.source.query('select key_id from key_ring_check')).toEqual([{ key_id: 'old' }]);
  });

  it('does not start while a running process still seals with the old key', async () => {
    await restart(`${old},${fresh}`);
    expect(await rekey(env(`${fresh},${old}`))).toMatchObject({
      status: 0,
      committed: false,
      sealingKey: 'fresh',
      toMove: 4,
      behind: [{ sealingKey: 'old' }],
    });
    expect(await rekey(env(`${fresh},${old}`), '--commit')).toMatchObject({ status: 1, error: { code: 'conflict' } });
  });

  it('keeps the old key while a value cannot be opened, and names the value', async () => {
    const { ok } = await restart(`${fresh},${old}`);
    const [{ secret_id: secretId, sealed_key: sealed }] = await database.source.query(
      'select secret_id, sealed_key from certificate order by id limit 1',
    );
    const broken = Buffer.from(sealed);
    broken.writeUInt8((broken.at(-1) ?? 0) ^ 1, broken.length - 1);
    await database.source.query('update certificate set sealed_key = $1 where secret_id = $2', [broken, secretId]);
    expect(await rekey(env(`${fresh},${old}`), '--commit')).toMatchObject({
      status: 1,
      moved: 3,
      retired: [],
      damaged: [`certificate.sealed_key.${secretId}`],
    });
    await database.source.query('update certificate set sealed_key = $1 where secret_id = $2', [sealed, secretId]);
    expect((await ok('GET', '/admin/rekey')).toMove).toBe(1);
  });

  it('continues while the program runs, and says which keys can be removed', async () => {
    expect(await rekey(env(`${fresh},${old}`), '--commit')).toMatchObject({
      status: 0,
      moved: 1,
      damaged: [],
      retired: ['old'],
    });
    expect(await rekey(env(`${fresh},${old}`), '--commit')).toMatchObject({ status: 0, moved: 0, retired: [] });
    const events = await database.source.query(
      `select action, after from audit_event where action like 'key-ring.%' order by id`,
    );
    expect(events).toContainEqual({
      action: 'key-ring.rekeyed',
      after: { table: 'certificate', column: 'sealed_key', key: 'fresh', values: 2 },
    });
    expect(events.at(-1)).toEqual({ action: 'key-ring.retired', after: { retired: ['old'] } });
  });

  it('makes the old key unnecessary', async () => {
    const { ok } = await restart(fresh);
    for (const { id, key: pem } of certificates) expect((await ok('GET', `/certificates/${id}/key`)).key).toBe(pem);
    await ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'd.example.com',
      authority: { name: 'root' },
    });
    expect(await rekey(env(fresh))).toMatchObject({ toMove: 0, behind: [] });
    const { status, stdout } = await runCli(env(fresh), ['--json', 'audit', 'verify']);
    const { rows, ...report } = JSON.parse(stdout);
    expect({ status, ...report }).toMatchObject({ status: 0, sound: true, keyed: rows, faults: [] });
    const sealedBy = await database.source.query('select key_id from audit_seal group by 1 order by 1');
    expect(sealedBy).toEqual([{ key_id: 'fresh' }, { key_id: 'old' }]);
  });
});

describe('the key ring of DATA_DIR', () => {
  it('gets a new key, and loses the old one when no value needs it', async () => {
    const database = await createTestDatabase();
    const folder = await mkdtemp(join(tmpdir(), 'perennial-'));
    const env = { DATA_DIR: folder, DATABASE_URL: database.url, ADMIN_PASSWORD: adminPassword };
    const keys = async (): Promise<string[]> =>
      (await readFile(join(folder, 'keyring'), 'utf8'))
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'));
    await runCli(env, ['init']);
    const [first] = await keys();
    expect((await runCli(env, ['rekey', '--new-key'])).status).toBe(0);
    expect(await keys()).toEqual([expect.anything(), first]);
    expect(await rekey(env, '--commit', '--drop-old-keys')).toMatchObject({ status: 0, dropped: true });
    expect(await keys()).toHaveLength(1);
    expect(await keys()).not.toContain(first);
    expect((await runCli(env, ['query'])).status).toBe(0);
    expect((await runCli({ ...env, ENCRYPTION_KEYS: key('x') }, ['rekey', '--new-key'])).stderr).toMatch(
      /^The key ring is in ENCRYPTION_KEYS/,
    );
    await database.drop();
    await rm(folder, { recursive: true });
  });
});

describe('rekeying over REST', () => {
  it('is a job that only administrators start', async () => {
    const [old, fresh] = [key('old'), key('fresh')];
    const program = await startProgram({ ENCRYPTION_KEYS: `${fresh},${old}` });
    const { ok, call } = program;
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    const [{ secret_id: secretId, sealed_key: bytes }] = await program.database.source.query(
      'select secret_id, sealed_key from signing_key',
    );
    const ring = new KeyRing([ringKey(old), ringKey(fresh)]);
    const place = `authority.sealed_key.${secretId}`;
    const asBefore = ring.seal(ring.open(Sealed.fromBytes(bytes), place), place);
    await program.database.source.query('update signing_key set sealed_key = $1', [asBefore.bytes]);
    await ok('POST', '/users', {
      username: 'op',
      email: 'op@example.com',
      password: adminPassword,
      roles: [{ name: 'operator' }],
    });
    const token = await program.login('op', adminPassword);
    expect((await call('POST', '/admin/rekey', undefined, { token })).status).toBe(403);
    expect((await call('GET', '/admin/rekey', undefined, { token })).status).toBe(403);
    expect(await call('POST', '/admin/rekey')).toMatchObject({ status: 202, body: { sealingKey: 'fresh', toMove: 1 } });
    await eventually(async () => (await ok('GET', '/jobs?job=secrets.rekey')).items[0]?.state === 'done');
    expect(await ok('GET', '/admin/rekey')).toMatchObject({
      toMove: 0,
      values: [{ table: 'signing_key', column: 'sealed_key', keyId: 'fresh', count: 1 }],
    });
    await program.stop();
  });
});
