import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import type { TestProject } from 'vitest/node';
import { migrations } from '../migrations/index.js';
import { dataSourceOptions, migrate } from '../src/platform/db/data-source.js';
import { startEmbeddedPostgres } from '../src/platform/db/embedded-postgres.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** A database of the server of this run, from which others can be created. */
    testDatabaseUrl: string;
    /** Holds all migrations and no rows. */
    templateDatabase: string;
  }
}

/** One PostgreSQL for the whole run: TEST_DATABASE_URL, or an embedded one that trades safety for speed. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Suites that start the program in a process of its own run what is in dist/.
  execFileSync(process.execPath, [join(__dirname, 'build.mjs')], { stdio: 'inherit', timeout: 600_000 });
  const server = await startServer();
  const template = `template_${randomUUID().replaceAll('-', '')}`;
  await run(server.url, `create database ${template}`);
  try {
    await migrateTemplate(server.url, template);
  } catch (error) {
    await server.stop();
    throw error;
  }
  project.provide('testDatabaseUrl', server.url);
  project.provide('templateDatabase', template);
  return async () => {
    await run(server.url, `drop database ${template}`);
    await server.stop();
  };
}

async function startServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return { url: given, stop: async () => undefined };
  const dataDir = await mkdtemp(join(tmpdir(), 'perennial-test-'));
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' };
  const server = await startEmbeddedPostgres({ dataDir, settings });
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(dataDir, { recursive: true, maxRetries: 5 });
  };
  return { url: server.url, stop };
}

async function migrateTemplate(url: string, template: string): Promise<void> {
  const target = new URL(url);
  target.pathname = `/${template}`;
  const source = await new DataSource(dataSourceOptions(target.href, [], migrations)).initialize();
  await migrate(source).finally(() => source.destroy());
}

async function run(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
