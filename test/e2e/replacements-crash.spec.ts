import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProgramChild, startChild } from '../support/child.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import type { Json } from '../support/json.js';
import { adminPassword, eventually, signIn } from '../support/program.js';

const certificates = 60;

describe('a mass replacement whose processes are killed', () => {
  let dataDir: string;
  let database: TestDatabase;
  let children: ProgramChild[] = [];

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'perennial-'));
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await Promise.all(children.map((child) => child.kill()));
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** Two processes on one database, and a client of the first. */
  const startBoth = async (env: Record<string, string>) => {
    const first = await startChild(env);
    children = [first, await startChild({ ...env, PERENNIAL_ROLE: 'worker' })];
    return signIn(first.url);
  };

  it('goes on where it was, and makes exactly one successor for each certificate', async () => {
    const env = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      ADMIN_PASSWORD: adminPassword,
      ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
    };
    let client = await startBoth(env);
    await client.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    const shared = { owner: 'joe@example.com', authority: { name: 'root' }, validityDays: 90, rotation: true };
    await Promise.all(
      Array.from({ length: certificates }, (_, n) =>
        client.ok('POST', '/certificates', { ...shared, commonName: `host-${n}.example.com` }),
      ),
    );
    const body = { filter: { authority: 'root' }, maximum: certificates, reason: 'Killed.', perHour: 10_000 };
    const { run } = await client.ok('POST', '/replacements', { ...body, dryRun: false });
    const done = async (): Promise<number> => (await client.ok('GET', `/replacements/${run.id}`)).items.done as number;
    for (const least of [5, 25]) {
      await eventually(async () => (await done()) >= least);
      await Promise.all(children.map((child) => child.kill()));
      // As if the restart had taken longer than the leases of the dead last.
      await database.source.query('update outbox set lease_until = now() where lease_until is not null');
      await database.source.query('update lease set until = now()');
      client = await startBoth(env);
    }
    const ended: Json = await eventually(async () => {
      const shown = await client.ok('GET', `/replacements/${run.id}`);
      return shown.state === 'finished' && shown;
    });
    expect(ended.items).toEqual({ waiting: 0, held: 0, done: certificates, alreadyReplaced: 0, failed: 0 });
    expect(ended.successors).toEqual({ underWay: 0, issued: certificates, ended: 0 });
    const [counts] = await database.source.query(`
      select count(*)::int as successors, count(distinct renews_id)::int as renewed from certificate
      where renews_id is not null`);
    expect(counts).toEqual({ successors: certificates, renewed: certificates });
  }, 240_000);
});
