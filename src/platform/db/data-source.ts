import { DataSource, type DataSourceOptions, MigrationExecutor } from 'typeorm';
import type { Config } from '../config.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { SnakeNamingStrategy } from './snake-naming.js';

const oldestServer = 130_000;
/** The key of the advisory lock under which migrations run: "pere" in ASCII. */
const migrationLock = 0x70657265;

/** Where the data is, and what is in it. */
export interface DataSourceInput {
  config: Pick<Config, 'databaseUrl' | 'dataDir'>;
  entities: DataSourceOptions['entities'];
  migrations: DataSourceOptions['migrations'];
  /** Gets each line that an embedded server writes. */
  log?: (line: string) => void;
}

/** A migrated database and the way to let go of it. */
export interface OpenDataSource {
  source: DataSource;
  /** Closes the pool, then stops the embedded server if there is one. */
  stop(): Promise<void>;
}

/** Connects to DATABASE_URL, or starts the embedded server in DATA_DIR, and migrates. Throws on servers older than 13. */
export async function createDataSource({ config, entities, migrations, log }: DataSourceInput): Promise<OpenDataSource> {
  const embedded = config.databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir, log }) : null;
  const source = new DataSource(dataSourceOptions(embedded?.url ?? config.databaseUrl ?? '', entities, migrations));
  const stop = async (): Promise<void> => {
    if (source.isInitialized) await source.destroy();
    await embedded?.stop();
  };
  try {
    await source.initialize();
    await demandServerVersion(source);
    await migrate(source);
  } catch (error) {
    await stop();
    throw error;
  }
  return { source, stop };
}

/** The options of every connection of ours to the database at `url`, in tests too. */
export function dataSourceOptions(
  url: string,
  entities: DataSourceOptions['entities'],
  migrations: DataSourceOptions['migrations'],
): DataSourceOptions {
  return {
    type: 'postgres',
    entities,
    migrations,
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'all',
    namingStrategy: new SnakeNamingStrategy(),
    synchronize: false,
    installExtensions: false,
    applicationName: 'perennial',
    poolSize: 20,
    connectTimeoutMS: 15_000,
    extra: {
      // TypeORM's own reading of a URL drops its query, and with it sslmode and the folder of a unix socket.
      connectionString: url,
      statement_timeout: 60_000,
      idle_in_transaction_session_timeout: 60_000,
      keepAlive: true,
    },
  };
}

async function demandServerVersion(source: DataSource): Promise<void> {
  const [row] = await source.query<{ server_version_num: string }[]>('show server_version_num');
  const version = Number(row?.server_version_num);
  if (version < oldestServer) throw new Error(`PostgreSQL 13 or newer is needed; the server of DATABASE_URL is ${Math.floor(version / 10_000)}.`);
}

/** Runs what is missing, in one transaction; of several instances that start at once, one does and the others wait. */
export async function migrate(source: DataSource): Promise<void> {
  const runner = source.createQueryRunner();
  try {
    await runner.query('set statement_timeout = 0');
    await runner.query('select pg_advisory_lock($1)', [migrationLock]);
    const executor = new MigrationExecutor(source, runner);
    executor.transaction = 'all';
    await executor.executePendingMigrations();
  } finally {
    await runner.query('select pg_advisory_unlock_all()');
    await runner.query('reset statement_timeout');
    await runner.release();
  }
}
