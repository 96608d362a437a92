import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, cp, lstat, mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ChildProgram, compileChild } from '../../../test/support/embedded-child.js';
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from './embedded-postgres.js';
import { commandOf, startOf } from './processes.js';

const linux = process.platform === 'linux';
const root = process.getuid?.() === 0;
const modules = join(__dirname, '../../../node_modules');

let dataDir: string;
let program: ChildProgram;
const running: EmbeddedPostgres[] = [];

beforeAll(async () => {
  program = await compileChild();
});
afterAll(() => program.remove());
beforeEach(async () => {
  dataDir = await realpath(await mkdtemp(join(tmpdir(), 'perennial-embedded-')));
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  await rm(dataDir, { recursive: true });
});

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, ...options });
  running.push(server);
  return server;
}

async function query<T extends object>(url: string | undefined, statement: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client.query<T>(statement).then(({ rows }) => rows).finally(() => client.end());
}

async function setting(url: string, name: string): Promise<string | undefined> {
  const [row] = await query<Record<string, string>>(url, `show ${name}`);
  return row && Object.values(row)[0];
}

async function serverPid(): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8')).split('\n')[0]);
}

/** Every living process whose current folder is the cluster: the server and all its children (proc(5)). */
async function clusterProcesses(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
  return pids.filter((_, i) => folders[i]?.startsWith(join(dataDir, 'postgres')));
}

describe('startEmbeddedPostgres', () => {
  it('gives a durable UTF-8 database on a private socket and nothing else', async () => {
    const { url } = await start();
    expect(new URL(url).pathname).toBe('/perennial');
    for (const [name, value] of [
      ['fsync', 'on'], ['synchronous_commit', 'on'], ['full_page_writes', 'on'], ['shared_buffers', '128MB'], ['TimeZone', 'UTC'],
      ['server_encoding', 'UTF8'], ['listen_addresses', ''], ['data_checksums', 'on'],
    ] as const) expect([name, await setting(url, name)]).toEqual([name, value]);
    expect(await query(url, `select lower('ÄÉ') as low, 'Z' < 'a' as bytes`)).toEqual([{ low: 'äé', bytes: true }]);
    for (const folder of ['postgres', 'postgres/cluster', 'postgres/socket']) expect((await stat(join(dataDir, folder))).mode & 0o777).toBe(0o700);
    await query(url, 'create extension pg_trgm');
  });

  it('is reached by libpq under the same URL', async () => {
    const { url } = await start();
    expect(execFileSync('psql', [url, '-Atc', 'select current_user || current_database()'], { encoding: 'utf8' })).toBe('perennialperennial\n');
  });

  it('keeps the data, stops at once although clients are connected, and leaves no process', async () => {
    const first = await start();
    await query(first.url, 'create table kept as select 7 as seven');
    const client = new Client({ connectionString: first.url });
    client.on('error', () => undefined);
    await client.connect();
    await first.stop();
    if (linux) expect(await clusterProcesses()).toEqual([]);
    expect(await readdir(join(dataDir, 'postgres/cluster'))).not.toContain('postmaster.pid');
    const second = await start();
    expect(await query(second.url, 'select * from kept')).toEqual([{ seven: 7 }]);
  });

  it('refuses a folder that this process uses already', async () => {
    await start();
    await expect(start()).rejects.toThrow(`is in use by process ${process.pid}.`);
  });

  it('refuses a folder that another process uses', async () => {
    const child = program.start(dataDir);
    await child.started;
    await expect(start()).rejects.toThrow(`is in use by process ${child.process.pid}.`);
    await child.stop();
    await start();
  });

  it('lets exactly one of several have a new folder', async () => {
    const children = [program.start(dataDir), program.start(dataDir), program.start(dataDir)];
    const outcomes = await Promise.all(children.map(({ started }) => started));
    expect(outcomes.filter(({ url }) => url)).toHaveLength(1);
    expect(outcomes.flatMap(({ error }) => error ?? []).join()).toMatch(/in use by.*in use by/);
    await Promise.all(children.map((child) => child.stop()));
  });

  it('ends with its owner, however that ends, and loses nothing', async () => {
    const child = program.start(dataDir);
    const { url } = await child.started;
    await query(url, 'create table kept as select 7 as seven');
    await child.kill();
    if (linux) await vi.waitFor(async () => expect(await clusterProcesses()).toEqual([]), 20_000);
    expect(await query((await start()).url, 'select * from kept')).toEqual([{ seven: 7 }]);
  });

  it.runIf(linux)('stops a server that outlived its owner', async () => {
    const child = program.start(dataDir, { env: { ...process.env, PATH: await pathWithout('setpriv') } });
    const { url } = await child.started;
    await query(url, 'create table kept as select 7 as seven');
    const orphan = await serverPid();
    await child.kill();
    expect(startOf(orphan)).not.toBeNull();
    const lines: string[] = [];
    const server = await start({ log: (line) => lines.push(line) });
    expect(startOf(orphan)).toBeNull();
    expect(lines[0]).toBe(`stopping PostgreSQL (process ${orphan}), whose owner (process ${child.process.pid}) died`);
    expect(await query(server.url, 'select * from kept')).toEqual([{ seven: 7 }]);
  });

  it('starts after everything was killed', async () => {
    const child = program.start(dataDir);
    const { url } = await child.started;
    await query(url, 'create table kept as select 7 as seven');
    const pid = await serverPid();
    process.kill(pid, 'SIGKILL');
    await child.kill();
    expect(await query((await start()).url, 'select * from kept')).toEqual([{ seven: 7 }]);
  });

  it.runIf(linux)('is not misled by a postmaster.pid whose number now belongs to another program', async () => {
    const server = await start();
    const content = await readFile(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8');
    await server.stop();
    await writeFile(join(dataDir, 'postgres/cluster/postmaster.pid'), content.replace(/^\d+/, String(process.pid)), { mode: 0o600 });
    expect(await setting((await start()).url, 'fsync')).toBe('on');
  });

  it('is not misled by a half made cluster', async () => {
    const child = program.start(dataDir);
    await vi.waitUntil(async () => (await readdir(join(dataDir, 'postgres')).catch(() => [])).some((name) => name.includes('.new_')), { interval: 1, timeout: 20_000 });
    await child.kill();
    expect((await readdir(join(dataDir, 'postgres'))).filter((name) => name.startsWith('cluster'))).toEqual([expect.stringContaining('cluster.new_')]);
    await start();
    expect((await readdir(join(dataDir, 'postgres'))).filter((name) => name.startsWith('cluster'))).toEqual(['cluster']);
  });

  it('starts the server again when it dies', async () => {
    const { url } = await start();
    await query(url, 'create table kept as select 7 as seven');
    const pid = await serverPid();
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(async () => expect(await query(url, 'select * from kept')).toEqual([{ seven: 7 }]), { timeout: 20_000, interval: 100 });
    expect(await serverPid()).not.toBe(pid);
  });

  it('puts the socket elsewhere when the path is too long for one, and cleans up', async () => {
    const deep = join(dataDir, 'd'.repeat(60), 'e'.repeat(60));
    const server = await start({ dataDir: deep });
    const short = await readlink(join(deep, 'postgres/socket'));
    expect((await stat(short)).mode & 0o777).toBe(0o700);
    expect(await setting(server.url, 'unix_socket_directories')).toBe(`"${short}"`);
    await server.stop();
    await expect(lstat(short)).rejects.toThrow('ENOENT');
    const again = await start({ dataDir: deep });
    expect(await setting(again.url, 'fsync')).toBe('on');
  });

  it('takes any name of a folder', async () => {
    const { url } = await start({ dataDir: join(dataDir, `a, b'c"d %&?$HOME é`) });
    expect(await setting(url, 'fsync')).toBe('on');
  });

  it('tells why the server does not start', async () => {
    await expect(start({ settings: { shared_buffers: 'lots' } })).rejects.toThrow(/invalid value for parameter "shared_buffers": "lots"/);
    if (linux) expect(await clusterProcesses()).toEqual([]);
  });

  it('refuses a cluster of another major version', async () => {
    await (await start()).stop();
    await writeFile(join(dataDir, 'postgres/cluster/PG_VERSION'), '9\n');
    await expect(start()).rejects.toThrow(/was made by PostgreSQL 9, but .* is \d+/);
  });

  it.runIf(linux)('notices a server that it cannot see, in another container', async () => {
    await start();
    const elsewhere = program.start(dataDir, { prefix: ['unshare', '--user', '--map-root-user', '--pid', '--ipc', '--fork', '--mount-proc'] });
    expect((await elsewhere.started).error).toMatch(/^The data directory is in use by a process that is not visible from here/);
  });
});

describe.runIf(linux && root)('as another user', () => {
  it.each([65534, 12345])('runs as uid %i, with a name in /etc/passwd and without', async (uid) => {
    await chown(dataDir, uid, uid);
    const child = program.start(dataDir, { uid });
    expect(await child.started).toEqual({ url: expect.stringMatching(/^postgresql:/) });
    expect(await readFile(`/proc/${await serverPid()}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\t${uid}\t${uid}\t`, 'm'));
    await child.stop();
    expect(await clusterProcesses()).toEqual([]);
    await expect(start()).rejects.toThrow(/belongs to uid \d+, but this process runs as uid 0/);
  });

  it('tells root what to do where user namespaces are off', async () => {
    const off = ['unshare', '--user', '--map-root-user', 'sh', '-c', 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$0" "$@"'];
    const { error } = await program.start(dataDir, { prefix: off }).started;
    expect(error).toMatch(/does not run as root.*Run Perennial as an ordinary user.*or set DATABASE_URL/);
  });
});

describe('the programs', () => {
  let copy: string;
  let alone: ChildProgram;
  beforeEach(async () => {
    copy = join(dataDir, 'copy/node_modules');
    await mkdir(copy, { recursive: true });
    for (const name of await readdir(modules)) if (!name.startsWith('.') && !name.includes('embedded-postgres')) await symlink(join(modules, name), join(copy, name));
    alone = await compileChild(copy);
  });
  afterEach(() => alone.remove());

  it('do not need the install script of their package, nor leave to write into it', async () => {
    for (const name of ['embedded-postgres', '@embedded-postgres']) await cp(join(modules, name), join(copy, name), { recursive: true, filter: async (path) => !(await lstat(path)).isSymbolicLink() });
    const child = alone.start(dataDir);
    const { url, error } = await child.started;
    expect(error).toBeUndefined();
    expect(await setting(url ?? '', 'fsync')).toBe('on');
    expect(commandOf(await serverPid())).toContain(copy);
    await child.stop();
  });

  it.runIf(existsSync('/usr/lib/postgresql'))('may be those of the system', async () => {
    const child = alone.start(dataDir, { env: { PATH: await pathWithout('postgres') } });
    const { url } = await child.started;
    expect(commandOf(await serverPid())).toMatch(/^\/usr\/lib\/postgresql\/\d+\/bin\/postgres /);
    expect(await query(url, `select lower('ÄÉ') as low, 'Z' < 'a' as bytes`)).toEqual([{ low: 'äé', bytes: true }]);
    await child.stop();
  });

  it.skipIf(existsSync('/usr/lib/postgresql'))('are asked for when there are none', async () => {
    const { error } = await alone.start(dataDir, { env: { PATH: await pathWithout('postgres') } }).started;
    expect(error).toMatch(/there is none on PATH\. Set DATABASE_URL/);
  });
});

async function pathWithout(missing: string): Promise<string> {
  const folder = join(dataDir, 'bin');
  await mkdir(folder);
  for (const name of ['unshare', 'flock', 'setpriv', 'sh', 'rm', 'true'].filter((name) => name !== missing)) {
    await symlink(execFileSync('which', [name], { encoding: 'utf8' }).trim(), join(folder, name));
  }
  return folder;
}
