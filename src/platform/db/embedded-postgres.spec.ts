import { lstat, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EmbeddedCluster, query, setting } from '../../../test/support/embedded-cluster.js';
import { type ChildProgram, compileChild } from '../../../test/support/embedded-child.js';
import { execFileSync } from '../../../test/support/sync-programs.js';
import { startOf } from './processes.js';

const linux = process.platform === 'linux';

const cluster = EmbeddedCluster.forEachTest();
let program: ChildProgram;
beforeAll(async () => {
  program = await compileChild();
});
afterAll(() => program.remove());

describe('startEmbeddedPostgres', () => {
  it('gives a durable UTF-8 database on a private socket and nothing else', async () => {
    const { url } = await cluster.start();
    expect(new URL(url).pathname).toBe('/perennial');
    for (const [name, value] of [
      ['fsync', 'on'],
      ['synchronous_commit', 'on'],
      ['full_page_writes', 'on'],
      ['shared_buffers', '128MB'],
      ['TimeZone', 'UTC'],
      ['server_encoding', 'UTF8'],
      ['listen_addresses', ''],
      ['data_checksums', 'on'],
    ] as const)
      expect([name, await setting(url, name)]).toEqual([name, value]);
    expect(await query(url, `select lower('ÄÉ') as low, 'Z' < 'a' as bytes`)).toEqual([{ low: 'äé', bytes: true }]);
    for (const folder of ['postgres', 'postgres/cluster', 'postgres/socket'])
      expect((await stat(join(cluster.dataDir, folder))).mode & 0o777).toBe(0o700);
    await query(url, 'create extension pg_trgm');
  });

  it('is reached by libpq under the same URL', async () => {
    const { url } = await cluster.start();
    expect(execFileSync('psql', [url, '-Atc', 'select current_user || current_database()'], { encoding: 'utf8' })).toBe(
      'perennialperennial\n',
    );
  });

  it('keeps the data, stops at once although clients are connected, and leaves no process', async () => {
    const first = await cluster.start();
    await query(first.url, 'create table kept as select 7 as seven');
    const client = new Client({ connectionString: first.url });
    client.on('error', () => undefined);
    await client.connect();
    await first.stop();
    if (linux) expect(await cluster.processes()).toEqual([]);
    expect(await readdir(join(cluster.dataDir, 'postgres/cluster'))).not.toContain('postmaster.pid');
    const second = await cluster.start();
    expect(await query(second.url, 'select * from kept')).toEqual([{ seven: 7 }]);
  });

  it('refuses a folder that this process uses already', async () => {
    await cluster.start();
    await expect(cluster.start()).rejects.toThrow(`is in use by process ${process.pid}.`);
  });

  it('refuses a folder that another process uses', async () => {
    const child = program.start(cluster.dataDir);
    await child.started;
    await expect(cluster.start()).rejects.toThrow(`is in use by process ${child.process.pid}.`);
    await child.stop();
    await cluster.start();
  });

  it('lets exactly one of several have a new folder', async () => {
    const children = [program.start(cluster.dataDir), program.start(cluster.dataDir), program.start(cluster.dataDir)];
    const outcomes = await Promise.all(children.map(({ started }) => started));
    expect(outcomes.filter(({ url }) => url)).toHaveLength(1);
    expect(outcomes.flatMap(({ error }) => error ?? []).join()).toMatch(/in use by.*in use by/);
    await Promise.all(children.map((child) => child.stop()));
  });

  it('ends with its owner, however that ends, and loses nothing', async () => {
    const child = program.start(cluster.dataDir);
    const { url } = await child.started;
    await query(url, 'create table kept as select 7 as seven');
    await child.kill();
    if (linux) await vi.waitFor(async () => expect(await cluster.processes()).toEqual([]), 90_000);
    expect(await query((await cluster.start()).url, 'select * from kept')).toEqual([{ seven: 7 }]);
  });

  it.runIf(linux)('stops a server that outlived its owner', async () => {
    const child = program.start(cluster.dataDir, {
      env: { ...process.env, PATH: await cluster.pathWithout('setpriv') },
    });
    const { url } = await child.started;
    await query(url, 'create table kept as select 7 as seven');
    const orphan = await cluster.serverPid();
    await child.kill();
    expect(startOf(orphan)).not.toBeNull();
    const lines: string[] = [];
    const server = await cluster.start({ log: (line) => lines.push(line) });
    expect(startOf(orphan)).toBeNull();
    expect(lines[0]).toBe(`stopping PostgreSQL (process ${orphan}), whose owner (process ${child.process.pid}) died`);
    expect(await query(server.url, 'select * from kept')).toEqual([{ seven: 7 }]);
  });

  it('starts after everything was killed', async () => {
    const child = program.start(cluster.dataDir);
    const { url } = await child.started;
    await query(url, 'create table kept as select 7 as seven');
    const pid = await cluster.serverPid();
    process.kill(pid, 'SIGKILL');
    await child.kill();
    expect(await query((await cluster.start()).url, 'select * from kept')).toEqual([{ seven: 7 }]);
  });

  it.runIf(linux)('is not misled by a postmaster.pid whose number now belongs to another program', async () => {
    const server = await cluster.start();
    const content = await readFile(join(cluster.dataDir, 'postgres/cluster/postmaster.pid'), 'utf8');
    await server.stop();
    await writeFile(
      join(cluster.dataDir, 'postgres/cluster/postmaster.pid'),
      content.replace(/^\d+/, String(process.pid)),
      { mode: 0o600 },
    );
    expect(await setting((await cluster.start()).url, 'fsync')).toBe('on');
  });

  it('is not misled by a half made cluster', async () => {
    const child = program.start(cluster.dataDir);
    await vi.waitUntil(
      async () =>
        (await readdir(join(cluster.dataDir, 'postgres')).catch(() => [])).some((name) => name.includes('.new_')),
      { interval: 1, timeout: 90_000 },
    );
    await child.kill();
    expect((await readdir(join(cluster.dataDir, 'postgres'))).filter((name) => name.startsWith('cluster'))).toEqual([
      expect.stringContaining('cluster.new_'),
    ]);
    await cluster.start();
    expect((await readdir(join(cluster.dataDir, 'postgres'))).filter((name) => name.startsWith('cluster'))).toEqual([
      'cluster',
    ]);
  });

  it('starts the server again when it dies', async () => {
    const { url } = await cluster.start();
    await query(url, 'create table kept as select 7 as seven');
    const pid = await cluster.serverPid();
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(async () => expect(await query(url, 'select * from kept')).toEqual([{ seven: 7 }]), {
      timeout: 90_000,
      interval: 100,
    });
    expect(await cluster.serverPid()).not.toBe(pid);
  });

  it('puts the socket elsewhere when the path is too long for one, and cleans up', async () => {
    const deep = join(cluster.dataDir, 'd'.repeat(60), 'e'.repeat(60));
    const server = await cluster.start({ dataDir: deep });
    const short = await readlink(join(deep, 'postgres/socket'));
    expect((await stat(short)).mode & 0o777).toBe(0o700);
    expect(await setting(server.url, 'unix_socket_directories')).toBe(`"${short}"`);
    await server.stop();
    await expect(lstat(short)).rejects.toThrow('ENOENT');
    const again = await cluster.start({ dataDir: deep });
    expect(await setting(again.url, 'fsync')).toBe('on');
  });

  it('takes any name of a folder', async () => {
    const { url } = await cluster.start({ dataDir: join(cluster.dataDir, `a, b'c"d %&?$HOME é`) });
    expect(await setting(url, 'fsync')).toBe('on');
  });

  it('tells why the server does not start', async () => {
    await expect(cluster.start({ settings: { shared_buffers: 'lots' } })).rejects.toThrow(
      /invalid value for parameter "shared_buffers": "lots"/,
    );
    if (linux) expect(await cluster.processes()).toEqual([]);
  });

  it('refuses a cluster of another major version', async () => {
    await (await cluster.start()).stop();
    await writeFile(join(cluster.dataDir, 'postgres/cluster/PG_VERSION'), '9\n');
    await expect(cluster.start()).rejects.toThrow(/was made by PostgreSQL 9, but .* is \d+/);
  });

  it.runIf(linux)('notices a server that it cannot see, in another container', async () => {
    await cluster.start();
    const elsewhere = program.start(cluster.dataDir, {
      prefix: ['unshare', '--user', '--map-root-user', '--pid', '--ipc', '--fork', '--mount-proc'],
    });
    expect((await elsewhere.started).error).toMatch(
      /^The data directory is in use by a process that is not visible from here/,
    );
  });
});
