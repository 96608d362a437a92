import { mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach } from 'vitest';
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../src/platform/db/embedded-postgres.js';
import { execFileSync } from './sync-programs.js';

/** A data folder for each test of a file, and what is looked at from outside of the embedded database in it. */
export class EmbeddedCluster {
  dataDir = '';
  private readonly running: EmbeddedPostgres[] = [];

  /** Called once in a file, where its tests are declared. */
  static forEachTest(): EmbeddedCluster {
    const cluster = new EmbeddedCluster();
    beforeEach(async () => {
      cluster.dataDir = await realpath(await mkdtemp(join(tmpdir(), 'perennial-embedded-')));
    });
    afterEach(async () => {
      for (const server of cluster.running.splice(0)) await server.stop();
      await rm(cluster.dataDir, { recursive: true, maxRetries: 5 });
    });
    return cluster;
  }

  /** In this process; stopped at the end of the test. */
  readonly start = async (options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> => {
    const server = await startEmbeddedPostgres({ dataDir: this.dataDir, ...options });
    this.running.push(server);
    return server;
  };

  readonly serverPid = async (): Promise<number> =>
    Number((await readFile(join(this.dataDir, 'postgres/cluster/postmaster.pid'), 'utf8')).split('\n')[0]);

  /** Every living process whose current folder is the cluster: the server and all its children (proc(5)). */
  readonly processes = async (): Promise<string[]> => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
    return pids.filter((_, i) => folders[i]?.startsWith(join(this.dataDir, 'postgres')));
  };

  /** A PATH on which what a start needs is found, but one program. */
  readonly pathWithout = async (missing: string): Promise<string> => {
    const folder = join(this.dataDir, 'bin');
    await mkdir(folder);
    for (const name of ['unshare', 'flock', 'setpriv', 'sh', 'rm', 'true'].filter((name) => name !== missing)) {
      await symlink(execFileSync('which', [name], { encoding: 'utf8' }).trim(), join(folder, name));
    }
    return folder;
  };
}

export async function query<T extends object>(url: string | undefined, statement: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client
    .query<T>(statement)
    .then(({ rows }) => rows)
    .finally(() => client.end());
}

/** What a server's setting is. */
export async function setting(url: string, name: string): Promise<string | undefined> {
  const [row] = await query<Record<string, string>>(url, `show ${name}`);
  return row && Object.values(row)[0];
}
