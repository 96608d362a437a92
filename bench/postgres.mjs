import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import pg from 'pg';

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
 * Opens an empty database: a new one on the server of `givenUrl` (the named database is not touched), or an embedded
 * server in `folder` with durable settings. `stop` removes it.
 */
export async function openDatabase(givenUrl, folder) {
  const server = givenUrl
    ? { url: givenUrl, stop: async () => undefined }
    : await startEmbeddedPostgres({ dataDir: folder });
  const name = `perennial_bench_${randomBytes(6).toString('hex')}`;
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  try {
    await query(server.url, `create database ${name}`);
    const [{ server_version: version, fsync, synchronous_commit: commit }] = await query(
      server.url,
      `select current_setting('server_version') as server_version, current_setting('fsync') as fsync,
        current_setting('synchronous_commit') as synchronous_commit`,
    );
    const stop = async () => {
      await query(server.url, `drop database if exists ${name} with (force)`).finally(() => server.stop());
    };
    return {
      url: url.href,
      words: `PostgreSQL ${version} (${givenUrl ? 'given' : 'embedded'}, fsync ${fsync}, synchronous_commit ${commit})`,
      stop,
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
