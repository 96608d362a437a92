import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { inject } from 'vitest';
import { entities as allEntities } from '../../src/app.entities.js';
import { dataSourceOptions, migrate } from '../../src/platform/db/data-source.js';
import { Database, sqlState } from '../../src/platform/db/database.js';
import { migrations } from '../../migrations/index.js';

/** A database of its own for one spec. */
export interface TestDatabase {
  /** For DATABASE_URL, pg and psql. */
  url: string;
  source: DataSource;
  db: Database;
  /** Closes `source` and removes the database. */
  drop: () => Promise<void>;
}

/** A fresh, migrated database, copied from the run's template in some ten milliseconds. */
export async function createTestDatabase(entities: DataSourceOptions['entities'] = allEntities): Promise<TestDatabase> {
  return connect(await create(`template ${inject('templateDatabase')}`), entities);
}

/** A fresh database without any table. */
export async function createEmptyDatabase(
  entities: DataSourceOptions['entities'] = allEntities,
): Promise<TestDatabase> {
  return connect(await create('template template0'), entities);
}

async function create(from: string): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await asAdmin(`create database ${name} ${from}`);
  return name;
}

async function connect(name: string, entities: DataSourceOptions['entities']): Promise<TestDatabase> {
  const url = withDatabase(inject('testDatabaseUrl'), name);
  const source = await new DataSource(dataSourceOptions(url, entities, migrations)).initialize();
  const drop = async (): Promise<void> => {
    if (source.isInitialized) await source.destroy();
    await asAdmin(`drop database if exists ${name} with (force)`);
  };
  return { url, source, db: new Database(source), drop };
}

/**
 * Once more while connections to the database, or a vacuum of the template, end: PostgreSQL waits 5 s for them, which
 * is short on a busy machine.
 */
async function asAdmin(statement: string): Promise<void> {
  const client = new Client({ connectionString: inject('testDatabaseUrl') });
  await client.connect();
  try {
    await client.query(statement);
  } catch (error) {
    if ((error as { code?: string }).code !== '55006') throw error;
    await asAdmin(statement);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** Undoes the newest migration. Sweeps of a program that runs may lock its tables in another order: then once more. */
export function undoLast(source: DataSource): Promise<void> {
  return unlessDeadlocked(() => source.undoLastMigration({ transaction: 'all' }));
}

/** Makes again what was undone, as `undoLast` undoes it. */
export function redoAll(source: DataSource): Promise<void> {
  return unlessDeadlocked(() => migrate(source));
}

async function unlessDeadlocked(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (sqlState(error) !== '40P01') throw error;
    await unlessDeadlocked(work);
  }
}
