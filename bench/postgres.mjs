import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import pg from 'pg';
import { parentOf, serverCpuMs } from './cpu.mjs';

const { startEmbeddedPostgres } = createRequire(import.meta.url)('../dist/src/platform/db/embedded-postgres.js');

/** Runs one statement on its own connection; returns the rows. */
export async function query(url, text, values) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

/**
 * The server of `givenUrl` (the named database is not touched), or an embedded server in `folder` with durable
 * settings. `database` makes an empty database and gives its URL; `cost` reads the meters of the whole server; `stop`
 * removes all.
 */
export async function openServer(givenUrl, folder) {
  const server = givenUrl
    ? { url: givenUrl, stop: async () => undefined }
    : await startEmbeddedPostgres({ dataDir: folder });
  const client = new pg.Client({ connectionString: server.url });
  const names = [];
  const stop = async () => {
    for (const name of names) await client.query(`drop database if exists ${name} with (force)`);
    await client.end();
    await server.stop();
  };
  try {
    await client.connect();
    const {
      rows: [{ version, fsync, commit, pid }],
    } = await client.query(
      `select current_setting('server_version') as version, current_setting('fsync') as fsync,
        current_setting('synchronous_commit') as commit, pg_backend_pid() as pid`,
    );
    const serverPid = parentOf(pid);
    return {
      words: `PostgreSQL ${version} (${givenUrl ? 'given' : 'embedded'}, fsync ${fsync}, synchronous_commit ${commit})`,
      database: async () => {
        const name = `perennial_bench_${randomBytes(6).toString('hex')}`;
        await client.query(`create database ${name}`);
        names.push(name);
        const url = new URL(server.url);
        url.pathname = `/${name}`;
        return url.href;
      },
      cost: async () => {
        const { rows } = await client.query(
          `select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as "walBytes",
            pg_snapshot_xmax(pg_current_snapshot())::text::float8 as commits`,
        );
        return { ...rows[0], postgresMs: serverCpuMs(serverPid) };
      },
      stop,
    };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}
