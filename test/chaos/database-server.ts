import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { findPostgres } from '../../src/platform/db/postgres-binaries.js';
import { prepareCluster } from '../../src/platform/db/postgres-cluster.js';
import { findLauncher } from '../../src/platform/db/postgres-launcher.js';
import { makeSocketFolder, socketPort, socketUrl } from '../../src/platform/db/postgres-socket.js';

const patienceMs = 120_000;

/** A PostgreSQL of this run's own, which can be crashed. What it has committed survives: the machine does not crash. */
export class DatabaseServer {
  private server: ChildProcess | undefined;

  private constructor(
    private readonly command: string[],
    private readonly env: NodeJS.ProcessEnv,
    private readonly socket: string,
  ) {}

  /** Makes the cluster in `folder` and starts it. `env` is added to the environment of the server. */
  static async start(folder: string, env: Record<string, string>): Promise<DatabaseServer> {
    const binaries = await findPostgres(join(folder, 'lib'));
    const launcher = await findLauncher(join(folder, 'lock'));
    const cluster = join(folder, 'cluster');
    await prepareCluster(cluster, binaries, launcher, false);
    const socket = await makeSocketFolder(join(folder, 'socket'));
    const settings = {
      listen_addresses: '',
      port: socketPort,
      unix_socket_directories: `"${socket}"`,
      fsync: 'off',
      full_page_writes: 'off',
      max_connections: '200',
      timezone: 'UTC',
    };
    const parameters = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const command = [...launcher.server, binaries.postgres, '-D', cluster, ...parameters];
    const database = new DatabaseServer(command, { ...binaries.env, ...env }, socket);
    await database.start();
    await database.query('create database perennial', [], 'postgres');
    return database;
  }

  get url(): string {
    return socketUrl(this.socket, 'perennial');
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const [program = '', ...args] = this.command;
    this.server = spawn(program, args, { env: this.env, stdio: 'ignore', detached: true });
    await this.query('select 1', [], 'postgres');
  }

  /** Immediate shutdown: every connection breaks, and the next start recovers from the log. */
  async crash(): Promise<void> {
    const { server } = this;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGQUIT');
    await ended;
  }

  /** Waits while the server does not answer, and throws when it answers with an error. */
  async query<T>(text: string, values: unknown[] = [], name = 'perennial'): Promise<T[]> {
    for (const end = performance.now() + patienceMs; ; await sleep(200)) {
      const client = new Client({ connectionString: socketUrl(this.socket, name) });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return (await client.query(text, values)).rows as T[];
      } catch (error) {
        const isAnswer = error instanceof DatabaseError && !/^(08|57)/.test(error.code ?? '');
        if (isAnswer || performance.now() > end) throw error;
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }
}
