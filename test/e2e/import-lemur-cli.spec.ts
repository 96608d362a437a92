import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/child.js';
import { createEmptyDatabase, type TestDatabase } from '../support/database.js';
import { fernetKey, inDays, LemurFixture, makeCertificate } from '../support/lemur-database.js';

describe('perennial import-lemur', () => {
  let lemur: LemurFixture;
  let ours: TestDatabase;
  let folder: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perennial-'));
    lemur = await LemurFixture.create();
    await lemur.certificate(await makeCertificate('one.example', null, inDays(-1), inDays(80)), 'one.example', {
      owner: 'joe@a.example',
    });
    ours = await createEmptyDatabase([]);
    env = { DATA_DIR: folder, DATABASE_URL: ours.url, ENCRYPTION_KEYS: randomBytes(32).toString('base64') };
    expect(await runCli(env, ['init'])).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    await lemur.database.drop();
    await ours.drop();
    await rm(folder, { recursive: true });
  });

  it('names missing settings, and reports read errors without secrets', async () => {
    expect(await runCli(env, ['import-lemur'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('LEMUR_DATABASE_URL'),
    });
    expect(await runCli(env, ['import-lemur', '--database', lemur.database.url])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('LEMUR_ENCRYPTION_KEYS'),
    });
    const wrong = await runCli({ ...env, LEMUR_DATABASE_URL: 'postgresql://lemur:hush-hush@127.0.0.1:1/lemur' }, [
      'import-lemur',
      '--fernet-key',
      fernetKey,
    ]);
    expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining('cannot be read') });
    expect(wrong.stderr).not.toMatch(/hush-hush|\n\s+at /);
    expect(await runCli(env, ['import-lemur', '--database', 'lemur', '--fernet-key', fernetKey])).toMatchObject({
      status: 1,
      stderr: 'That database cannot be read: its URL must start with postgresql://.\n',
    });
    expect(
      await runCli(env, ['import-lemur', '--database', lemur.database.url, '--fernet-key', 'hush-hush']),
    ).toMatchObject({ status: 1, stderr: 'Fernet key 1 is not 32 bytes in base64.\n' });
  });

  it('prints a table or JSON, with keys from a file, stdin or the environment', async () => {
    const keys = join(folder, 'keys');
    await writeFile(keys, `['${fernetKey}']\n`);
    const given = { ...env, LEMUR_DATABASE_URL: lemur.database.url };
    const shown = await runCli(given, ['import-lemur', '--dry-run', '--fernet-key-file', keys]);
    expect(shown).toMatchObject({
      status: 0,
      stderr: 'Nothing was imported because of --dry-run.\n',
      stdout: expect.stringMatching(/^TABLE +ROWS +IMPORTED[^]*certificates +1 +1/),
    });
    const json = await runCli(given, ['--json', 'import-lemur', '--fernet-key-file', '-'], fernetKey);
    expect({ status: json.status, ...JSON.parse(json.stdout) }).toMatchObject({
      status: 0,
      committed: true,
      tables: { certificates: { rows: 1, imported: 1 } },
      totals: { fault: 0 },
    });
    const again = await runCli({ ...given, LEMUR_ENCRYPTION_KEYS: fernetKey }, ['--json', 'import-lemur']);
    expect(JSON.parse(again.stdout)).toMatchObject({ tables: { certificates: { imported: 0, unchanged: 1 } } });
    expect(await runCli(env, ['audit', 'verify'])).toMatchObject({ status: 0 });
  });

  it('exits with status 1 when something is lost', async () => {
    await lemur.add('certificates', { name: 'garbage', owner: 'joe@a.example', body: 'none' });
    const lost = await runCli({ ...env, LEMUR_DATABASE_URL: lemur.database.url, LEMUR_ENCRYPTION_KEYS: fernetKey }, [
      'import-lemur',
    ]);
    expect(lost).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^LOST {2}certificates garbage \(\d+\): It cannot be read and was not imported/m),
    });
  });
});
