import { execFile } from 'node:child_process';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { PostgresBinaries } from './postgres-binaries.js';
import type { Launcher } from './postgres-launcher.js';
import { commandOf, startOf } from './processes.js';

const run = promisify(execFile);

/** The one superuser of an embedded cluster; only processes of the same system user reach its socket. */
export const clusterUser = 'perennial';

/** `cluster_name` of a server that this process owns. The server's command line shows it to other processes. */
export function clusterName(): string {
  return `perennial_${process.pid}_${startOf(process.pid)}`;
}

/**
 * Makes the cluster `folder` unless it is there. Works in a folder beside it that is renamed when complete, so that a
 * kill at any moment leaves either no cluster or a whole one. Throws when it belongs to another user or another major
 * version.
 */
export async function prepareCluster(
  folder: string,
  binaries: PostgresBinaries,
  launcher: Launcher,
  durable: boolean,
): Promise<void> {
  await removeHalfMade(folder);
  if (!(await exists(folder))) await initialize(folder, binaries, launcher, durable);
  const { uid } = await stat(folder);
  if (uid !== process.geteuid?.()) {
    throw new Error(
      `${folder} belongs to uid ${uid}, but this process runs as uid ` +
        `${process.geteuid?.()}: run it as the owner, or chown -R ${dirname(folder)}.`,
    );
  }
  const major = Number(await readFile(join(folder, 'PG_VERSION'), 'utf8'));
  if (major !== binaries.major) {
    throw new Error(
      `${folder} was made by PostgreSQL ${major}, but ${binaries.postgres} is ${binaries.major}: ` +
        `start with PostgreSQL ${major}, or move the data over by dump and restore.`,
    );
  }
}

async function initialize(
  folder: string,
  binaries: PostgresBinaries,
  launcher: Launcher,
  durable: boolean,
): Promise<void> {
  const half = `${folder}.new_${process.pid}_${startOf(process.pid)}`;
  const common = [
    '-D',
    half,
    '-U',
    clusterUser,
    '--auth-local=trust',
    '--auth-host=reject',
    '--encoding=UTF8',
    ...(durable ? [] : ['--no-sync']),
  ];
  const [program = '', ...prefix] = [...launcher.brief, binaries.initdb];
  const attempt = (locale: string): Promise<unknown> =>
    run(program, [...prefix, ...common, `--locale=${locale}`, ...builtinLocale(binaries.major)], { env: binaries.env });
  // Not every system has C.UTF-8; C differs only in which letters outside ASCII count as letters in a trigram search.
  await attempt('C.UTF-8').catch((error: Error & { stderr?: string }) => {
    if (!error.stderr?.includes('invalid locale name')) throw error;
    return attempt('C');
  });
  await rename(half, folder).catch(async (error: unknown) => {
    await rm(half, { recursive: true, force: true });
    if (!(await exists(folder))) throw error;
  });
  await syncFolder(dirname(folder));
}

/** Sorting by PostgreSQL itself: an update of the C library cannot change an index's order under it. */
function builtinLocale(major: number): string[] {
  return major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : [];
}

async function removeHalfMade(folder: string): Promise<void> {
  const parent = dirname(folder);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  for (const name of await readdir(parent)) {
    const owner = /\.new_(\d+)_(\w+)$/.exec(name);
    if (owner && startOf(Number(owner[1])) !== owner[2]) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/**
 * Makes sure that no server that can be seen runs on the cluster: stops one whose owner died, throws when the owner
 * lives.
 */
export async function releaseCluster(folder: string, log: (line: string) => void): Promise<void> {
  const pidFile = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(pidFile.split('\n')[0]) || 0;
  const command = pid > 0 ? commandOf(pid) : null;
  // The pid of a dead server may belong to another process by now.
  if (!command?.includes(folder)) return;
  const owner = /cluster_name=perennial_(\d+)_(\w+)/.exec(command);
  if (!owner || startOf(Number(owner[1])) === owner[2]) {
    throw new Error(`The data directory ${dirname(folder)} is in use by process ${owner?.[1] ?? pid}.`);
  }
  log(`stopping PostgreSQL (process ${pid}), whose owner (process ${owner[1]}) died`);
  await stopOrphan(pid);
}

async function stopOrphan(pid: number): Promise<void> {
  const start = startOf(pid);
  for (let tries = 0; tries < 600 && startOf(pid) === start; tries += 1) {
    // Fast shutdown; after 20 s immediate shutdown, which is as safe as a power cut and needs recovery at the next
    // start.
    if (tries === 0 || tries === 200) signal(pid, tries === 0 ? 'SIGINT' : 'SIGQUIT');
    await sleep(100);
  }
  if (start !== null && startOf(pid) === start)
    throw new Error(`PostgreSQL (process ${pid}), left behind by a process that died, does not stop.`);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}
