import { mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { findPostgres } from './postgres-binaries.js';
import { clusterName, prepareCluster, releaseCluster } from './postgres-cluster.js';
import { findLauncher } from './postgres-launcher.js';
import { type ServerCommand, type ServerProcess, startServer } from './postgres-server.js';
import { findListening, makeSocketFolder, socketPort, socketUrl } from './postgres-socket.js';

const database = 'perennial';

/** What to start. */
export interface EmbeddedPostgresOptions {
  /** Absolute or relative path; everything goes into its folder `postgres`. */
  dataDir: string;
  /** PostgreSQL parameters that win over the durable defaults; only tests should need them. */
  settings?: Record<string, string>;
  /** Gets each line that the server writes. */
  log?: (line: string) => void;
}

/** A running server that this process owns. */
export interface EmbeddedPostgres {
  /** For pg and libpq: `postgresql:///perennial?host=<socket folder>&…`, a URL that DATABASE_URL would take too. */
  url: string;
  /** Fast shutdown: cuts open connections and waits until no process is left. May be called again. */
  stop: () => Promise<void>;
}

/**
 * Starts a real PostgreSQL on a unix socket that only this system user can open; makes the cluster and the database
 * `perennial` at first, and starts the server again should it die. Throws when another process uses `dataDir`, and with
 * the server's last words when it does not start.
 */
export async function startEmbeddedPostgres({
  dataDir,
  settings = {},
  log = () => undefined,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  await mkdir(join(dataDir, 'postgres'), { recursive: true, mode: 0o700 });
  const root = await realpath(join(dataDir, 'postgres'));
  const cluster = join(root, 'cluster');
  const binaries = await findPostgres(join(root, 'lib'));
  const launcher = await findLauncher(join(root, 'lock'));
  await prepareCluster(cluster, binaries, launcher, settings['fsync'] !== 'off');
  await releaseCluster(cluster, log);
  const socket = await makeSocketFolder(join(root, 'socket'));
  const cleanup = removal(join(cluster, 'postmaster.pid'), join(socket, `.s.PGSQL.${socketPort}.lock`));
  const prefix = launcher.lock.length > 0 ? [...launcher.lock, ...cleanup, ...launcher.server] : launcher.server;
  const [program = '', ...args] = [...prefix, binaries.postgres, '-D', cluster, ...parameters(socket, settings)];
  const supervised = await supervise({
    program,
    args,
    env: binaries.env,
    probeUrl: socketUrl(socket, 'postgres'),
    name: clusterName(),
    log,
  });
  const stop = async (): Promise<void> => {
    await supervised.stop();
    if (socket !== join(root, 'socket')) await rm(socket, { recursive: true, force: true });
  };
  await createDatabase(socket).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { url: socketUrl(socket, database), stop };
}

/**
 * The URL of the server that another process runs in `dataDir`, as `startEmbeddedPostgres` gives it; null when none
 * does.
 */
export async function findEmbeddedPostgres(dataDir: string): Promise<string | null> {
  const root = await realpath(join(dataDir, 'postgres')).catch(() => null);
  return root === null ? null : findListening(join(root, 'socket'), database);
}

function parameters(socket: string, settings: Record<string, string>): string[] {
  const all: Record<string, string> = {
    listen_addresses: '',
    port: socketPort,
    // A list with commas, in which quotes hold a name together.
    unix_socket_directories: `"${socket.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    cluster_name: clusterName(),
    shared_buffers: '128MB',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...settings,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/**
 * Words before a command that remove two files. PostgreSQL takes a stale one for a running server when the process
 * number in it is in use again, as it is after each restart of a container. Only for the holder of the lock.
 */
function removal(first: string, second: string): string[] {
  return ['sh', '-c', 'rm -f "$1" "$2" && shift 2 && exec "$@"', 'sh', first, second];
}

async function supervise(command: ServerCommand): Promise<Pick<ServerProcess, 'stop'>> {
  const stopping = new AbortController();
  let server = await startServer(command);
  const supervision = async (): Promise<void> => {
    for (;;) {
      await server.exited;
      if (stopping.signal.aborted) return;
      command.log('PostgreSQL ended unexpectedly and is started again');
      await sleep(1000, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      await startServer(command).then(
        (next) => (server = next),
        (error: Error) => command.log(error.message),
      );
      if (stopping.signal.aborted) await server.stop();
    }
  };
  const ended = supervision();
  const stop = async (): Promise<void> => {
    stopping.abort();
    await server.stop();
    await ended;
  };
  return { stop };
}

async function createDatabase(socket: string): Promise<void> {
  const client = new Client({ connectionString: socketUrl(socket, 'postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (!rowCount) await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
}
