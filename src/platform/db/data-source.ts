import {
  AbstractLogger,
  DataSource,
  type DataSourceOptions,
  type LogLevel,
  type LogMessage,
  MigrationExecutor,
} from 'typeorm';
import type { Config } from '../config.js';
import { type EmbeddedPostgres, findEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';
import { SnakeNamingStrategy } from './snake-naming.js';

const oldestServer = 130_000;
/** The key of the advisory lock under which migrations run: "pere" in ASCII. */
const migrationLock = 0x70657265;

/** Where the data is, and its schema. */
export interface DataSourceInput {
  config: Pick<Config, 'databaseUrl' | 'dataDir'>;
  entities: DataSourceOptions['entities'];
  migrations: DataSourceOptions['migrations'];
  /** Gets a line for each migration and each lost connection, and what an embedded server writes. */
  log?: (line: string) => void;
}

/** An open database, and how to close it. */
export interface OpenDataSource {
  source: DataSource;
  /** Closes the pool, then stops the embedded server if this process started it. */
  stop: () => Promise<void>;
}

/**
 * Connects to DATABASE_URL, or starts the embedded server in DATA_DIR, and migrates. Throws on servers older than 13.
 */
export async function createDataSource(input: DataSourceInput): Promise<OpenDataSource> {
  const embedded =
    input.config.databaseUrl === undefined
      ? await startEmbeddedPostgres({ dataDir: input.config.dataDir, log: input.log })
      : null;
  const open = await connect(input, embedded);
  try {
    await migrate(open.source);
  } catch (error) {
    await open.stop();
    throw error;
  }
  return open;
}

/** As `createDataSource`, but joins an embedded server that another process runs, and leaves the tables as they are. */
export async function joinDataSource(input: DataSourceInput): Promise<OpenDataSource> {
  const { databaseUrl, dataDir } = input.config;
  if (databaseUrl !== undefined) return connect(input, null);
  const url = await findEmbeddedPostgres(dataDir);
  return connect(
    input,
    url === null ? await startEmbeddedPostgres({ dataDir, log: input.log }) : { url, stop: async () => undefined },
  );
}

async function connect(
  { config, entities, migrations, log }: DataSourceInput,
  embedded: EmbeddedPostgres | null,
): Promise<OpenDataSource> {
  const source = new DataSource(
    dataSourceOptions(embedded?.url ?? config.databaseUrl ?? '', entities, migrations, log),
  );
  const stop = async (): Promise<void> => {
    if (source.isInitialized) await source.destroy();
    await embedded?.stop();
  };
  try {
    await source.initialize().catch((error: unknown) => {
      throw new Error(`The database cannot be reached: ${reasonOf(error)}`, { cause: error });
    });
    const [row] = await source.query<{ server_version_num: string }[]>('show server_version_num');
    refuseOldServer(Number(row?.server_version_num));
  } catch (error) {
    await stop();
    throw error;
  }
  return { source, stop };
}

class LineLogger extends AbstractLogger {
  constructor(private readonly tell: (line: string) => void) {
    super(['warn']);
  }

  protected override writeLog(
    _level: LogLevel,
    messages: LogMessage | string | number | (LogMessage | string | number)[],
  ): void {
    for (const { message } of this.prepareLogMessages(messages, { highlightSql: false })) this.tell(String(message));
  }
}

/** The error for a host with several addresses has one error for each, and no message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** Throws when `versionNum`, as in `server_version_num`, is less than 130000. */
export function refuseOldServer(versionNum: number): void {
  if (versionNum >= oldestServer) return;
  throw new Error(
    'Perennial needs PostgreSQL 13 or newer; the server of DATABASE_URL is PostgreSQL ' +
      `${Math.floor(versionNum / 10_000)}.`,
  );
}

/** The options of every connection of ours to the database at `url`, in tests too. */
export function dataSourceOptions(
  url: string,
  entities: DataSourceOptions['entities'],
  migrations: DataSourceOptions['migrations'],
  log: (line: string) => void = () => undefined,
): DataSourceOptions {
  return {
    type: 'postgres',
    entities,
    migrations,
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'all',
    namingStrategy: new SnakeNamingStrategy(),
    synchronize: false,
    logger: new LineLogger(log),
    installExtensions: false,
    applicationName: 'perennial',
    poolSize: 20,
    connectTimeoutMS: 15_000,
    extra: {
      // TypeORM's own parsing of a URL drops its query, and with it sslmode and the folder of a unix socket.
      connectionString: url,
      statement_timeout: 60_000,
      idle_in_transaction_session_timeout: 60_000,
      keepAlive: true,
    },
  };
}

/** Runs what is missing, in one transaction; of several instances that start at once, one does and the others wait. */
export async function migrate(source: DataSource): Promise<void> {
  await source.transaction(async (tx) => {
    await tx.query('set local statement_timeout = 0');
    await tx.query('select pg_advisory_xact_lock($1)', [migrationLock]);
    await new MigrationExecutor(source, tx.queryRunner).executePendingMigrations();
  });
}

/** The names of the migrations that this database lacks, oldest first; of a database without any, all. */
export async function missingMigrations(source: DataSource): Promise<string[]> {
  const [found] = await source.query<{ found: string | null }[]>(`select to_regclass('migration') as found`);
  const done = found?.found ? await source.query<{ name: string }[]>('select name from migration') : [];
  const names = new Set(done.map(({ name }) => name));
  return source.migrations
    .map((migration) => migration.name ?? migration.constructor.name)
    .filter((name) => !names.has(name));
}
