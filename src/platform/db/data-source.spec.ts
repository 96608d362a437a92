import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EntitySchema, type MigrationInterface, type QueryRunner } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEmptyDatabase, type TestDatabase } from '../../../test/support/database.js';
import { loadConfig } from '../config.js';
import { createDataSource, refuseOldServer } from './data-source.js';

const PlantPot = new EntitySchema<{ id: number; heightCm: string; lastWateredAt: Date }>({
  name: 'PlantPot',
  columns: {
    id: { type: 'integer', primary: true },
    heightCm: { type: 'numeric' },
    lastWateredAt: { type: 'timestamptz' },
  },
});

class Pots1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'create table plant_pot (id integer primary key, height_cm numeric not null, ' +
        'last_watered_at timestamptz not null)',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table plant_pot');
  }
}

class Broken1700000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('select broken');
  }

  async down(): Promise<void> {}
}

const entities = [PlantPot];

describe('createDataSource', () => {
  let test: TestDatabase;
  beforeEach(async () => {
    test = await createEmptyDatabase([]);
  });
  afterEach(() => test.drop());

  it('migrates once although several instances start at the same time', async () => {
    const config = loadConfig({ DATABASE_URL: test.url });
    const instances = await Promise.all(
      [1, 2, 3, 4].map(() => createDataSource({ config, entities, migrations: [Pots1700000000001] })),
    );
    expect(await test.db.single.query('select name from migration')).toEqual([{ name: 'Pots1700000000001' }]);
    await Promise.all(instances.map(({ stop }) => stop()));
  });

  it('names columns in snake_case, and gives dates as Date and numeric as text', async () => {
    const { source, stop } = await createDataSource({
      config: loadConfig({ DATABASE_URL: test.url }),
      entities,
      migrations: [Pots1700000000001],
    });
    const pot = { id: 1, heightCm: '12.50', lastWateredAt: new Date('2026-01-02T03:04:05.678Z') };
    await source.getRepository(PlantPot).insert(pot);
    expect(await source.getRepository(PlantPot).find()).toEqual([pot]);
    expect(
      await source.query(
        `select current_setting('application_name') as name, current_setting('statement_timeout') as timeout`,
      ),
    ).toEqual([{ name: 'perennial', timeout: '1min' }]);
    await stop();
  });

  it('leaves nothing behind when a migration fails', async () => {
    const config = loadConfig({ DATABASE_URL: test.url });
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    await expect(
      createDataSource({ config, entities, migrations: [Pots1700000000001, Broken1700000000002], log }),
    ).rejects.toThrow('column "broken" does not exist');
    expect(lines).toEqual(['Migration "Broken1700000000002" failed, error: column "broken" does not exist']);
    expect(await test.db.single.query(`select to_regclass('plant_pot') as found`)).toEqual([{ found: null }]);
    // A server process ends a moment after its client has gone.
    const others = () =>
      test.db.single.query(
        `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
    await vi.waitFor(async () => expect(await others()).toEqual([]), { timeout: 90_000 });
  });

  it('says that a server cannot be reached, without the password', async () => {
    const config = loadConfig({ DATABASE_URL: 'postgresql://me:hunter2@localhost:1/db' });
    const failure = await createDataSource({ config, entities, migrations: [] }).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(failure).toMatch(/^The database cannot be reached: .*ECONNREFUSED/);
    expect(failure).not.toContain('hunter2');
  });

  it('refuses old servers', () => {
    expect(() => refuseOldServer(120_022)).toThrow(
      'Perennial needs PostgreSQL 13 or newer; the server of DATABASE_URL is PostgreSQL 12.',
    );
    expect(() => refuseOldServer(130_000)).not.toThrow();
  });
});

describe('createDataSource without DATABASE_URL', () => {
  it('keeps a server of its own, and stops it also when it fails', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'perennial-source-'));
    const config = loadConfig({ DATA_DIR: dataDir });
    await expect(createDataSource({ config, entities, migrations: [Broken1700000000002] })).rejects.toThrow(
      'column "broken" does not exist',
    );
    expect(await readdir(join(dataDir, 'postgres/socket'))).toEqual([]);
    const first = await createDataSource({ config, entities, migrations: [Pots1700000000001] });
    await first.source.query('insert into plant_pot values (1, 2, now())');
    await first.stop();
    const second = await createDataSource({ config, entities, migrations: [Pots1700000000001] });
    expect(await second.source.getRepository(PlantPot).count()).toBe(1);
    await second.stop();
    await rm(dataDir, { recursive: true });
  });
});
