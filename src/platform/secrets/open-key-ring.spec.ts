import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { KeyRingCheck } from './key-ring-check.entity.js';
import { createKeyRingFile } from './key-ring-file.js';
import { KeyRingError } from './key-ring.js';
import { openKeyRing, retireKeys } from './open-key-ring.js';

let test: TestDatabase;
let folder: string;
let dataDir: string;
beforeAll(async () => {
  test = await createTestDatabase([KeyRingCheck]);
});
afterAll(() => test.drop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyring-'));
  dataDir = join(folder, 'data');
});
afterEach(async () => {
  await test.source.query('delete from key_ring_check');
  await rm(folder, { recursive: true });
});

function key(id: string) {
  return { id, key: randomBytes(32) };
}

describe('openKeyRing', () => {
  it('makes a private file at the first start and reads it at the next', async () => {
    const first = await openKeyRing({ dataDir }, test.db);
    expect((await stat(join(dataDir, 'keyring'))).mode & 0o777).toBe(0o600);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    expect(await readdir(dataDir)).toEqual(['keyring']);
    const sealed = first.seal('x', 'p');
    expect((await openKeyRing({ dataDir }, test.db)).open(sealed, 'p').toString()).toBe('x');
  });

  it('refuses to make a second ring when the first is lost', async () => {
    const { sealingKeyId } = await openKeyRing({ dataDir }, test.db);
    await rm(join(dataDir, 'keyring'));
    await expect(openKeyRing({ dataDir }, test.db)).rejects.toThrow(
      new RegExp(`sealed with key "${sealingKeyId}".*does not exist.*Restore that file`),
    );
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('refuses another ring and names the missing key', async () => {
    await openKeyRing({ encryptionKeys: [key('first')], dataDir }, test.db);
    await expect(openKeyRing({ encryptionKeys: [key('second')], dataDir }, test.db)).rejects.toThrow(
      /"first", which is missing from ENCRYPTION_KEYS \(it holds second\)/,
    );
    expect(await test.source.manager.count(KeyRingCheck)).toBe(1);
  });

  it('refuses another key under the old name', async () => {
    await openKeyRing({ encryptionKeys: [key('main')], dataDir }, test.db);
    await expect(openKeyRing({ encryptionKeys: [key('main')], dataDir }, test.db)).rejects.toThrow(
      /"main" in ENCRYPTION_KEYS is not the key of that name/,
    );
  });

  it('demands the old key until it is retired', async () => {
    const [old, fresh] = [key('old'), key('fresh')];
    await openKeyRing({ encryptionKeys: [old], dataDir }, test.db);
    const ring = await openKeyRing({ encryptionKeys: [fresh, old], dataDir }, test.db);
    await expect(openKeyRing({ encryptionKeys: [fresh], dataDir }, test.db)).rejects.toThrow(KeyRingError);
    await expect(openKeyRing({ encryptionKeys: [old], dataDir }, test.db)).rejects.toThrow(KeyRingError);
    await test.db.write((tx) => retireKeys(tx, ring));
    expect((await openKeyRing({ encryptionKeys: [fresh], dataDir }, test.db)).sealingKeyId).toBe('fresh');
  });

  it('refuses a file that others can read, and a damaged one', async () => {
    await openKeyRing({ dataDir }, test.db);
    const path = join(dataDir, 'keyring');
    await chmod(path, 0o640);
    await expect(openKeyRing({ dataDir }, test.db)).rejects.toThrow(/mode 640\)\. Run: chmod 600/);
    await chmod(path, 0o600);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.slice(0, -4));
    const failure: unknown = await openKeyRing({ dataDir }, test.db).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(KeyRingError);
    expect((failure as Error).message).toMatch(/Key 1 in .* is damaged/);
    expect((failure as Error).message).not.toContain(text.trim().split('\n').at(-1)?.slice(0, 20));
  });

  it('lets one of several first starts decide', async () => {
    const folders = Array.from({ length: 4 }, (_, i) => join(folder, String(i)));
    const starts = await Promise.allSettled(folders.map((dir) => openKeyRing({ dataDir: dir }, test.db)));
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(folder)).toHaveLength(1);
  });
});

describe('createKeyRingFile', () => {
  it('gives everyone who tries at once the same key', async () => {
    const path = join(folder, 'keyring');
    const rings = await Promise.all(Array.from({ length: 8 }, () => createKeyRingFile(path)));
    expect(new Set(rings.map(([first]) => first?.key.toString('hex'))).size).toBe(1);
    expect(await readdir(folder)).toEqual(['keyring']);
  });
});
