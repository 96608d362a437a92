import { randomBytes } from 'node:crypto';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  rmdir,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Owner } from './owner.js';
import { type Place, recordName } from './place.js';

/** `mode` is a Unix file mode; without `owner` the file belongs to this process. */
export interface StoredFile {
  name: string;
  bytes: Buffer;
  mode: number;
  owner: Owner | undefined;
}

const VERSION = '.version-';
const TEMPORARY = '.new-';
const RELOAD_PENDING = '.reload-pending';

/** True when readers find exactly these bytes, modes and owners. */
export async function isInPlace(place: Place, files: readonly StoredFile[]): Promise<boolean> {
  for (const file of seen(files)) {
    if ((await linkTarget(join(place.readers, file.name))) !== readerTarget(place, file.name)) return false;
    if (!(await isStored(join(place.store, 'current', file.name), file))) return false;
  }
  return true;
}

/**
 * Writes a new version and switches readers to it. New links are created in the order of `files`. After a crash at any
 * point readers see either all old or all new files; `sweep` removes leftovers.
 */
export async function publish(place: Place, files: readonly StoredFile[], signal: AbortSignal): Promise<void> {
  const before = await ownVersion(place.store, 'current');
  const folder = await mkdtemp(join(place.store, VERSION));
  try {
    for (const file of files) await writeSynced(join(folder, file.name), file);
    await chmod(folder, 0o755);
    await syncFolder(folder);
    signal.throwIfAborted();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  if (before !== null) await pointTo(place, join(place.store, 'previous'), before);
  await pointTo(place, join(place.store, 'current'), basename(folder));
  for (const { name } of seen(files)) {
    const target = readerTarget(place, name);
    if ((await linkTarget(join(place.readers, name))) !== target)
      await pointTo(place, join(place.readers, name), target);
  }
}

/** Removes versions other than current and previous, and leftovers of crashed runs. */
export async function sweep(place: Place): Promise<void> {
  const kept = [await ownVersion(place.store, 'current'), await ownVersion(place.store, 'previous')];
  for (const name of await namesIn(place.store)) {
    const ours = name.startsWith(VERSION) || name.startsWith(TEMPORARY);
    if (ours && !kept.includes(name)) await rm(join(place.store, name), { recursive: true, force: true });
  }
}

/** A file of the current or the previous version; null when it does not exist. */
export async function readVersion(place: Place, version: 'current' | 'previous', name: string): Promise<Buffer | null> {
  return ifPresent(readFile(join(place.store, version, name)), ['ENOENT', 'ENOTDIR']);
}

/** A file as readers find it; null when there is none. */
export async function readSeen(place: Place, name: string): Promise<(Owner & { bytes: Buffer; mode: number }) | null> {
  const handle = await ifPresent(open(join(place.readers, name), 'r'), ['ENOENT', 'ENOTDIR']);
  if (handle === null) return null;
  try {
    const { mode, uid, gid } = await handle.stat();
    return { bytes: await handle.readFile(), mode: mode & 0o7777, uid, gid };
  } finally {
    await handle.close();
  }
}

/** Drops the previous version; `sweep` removes its files. */
export async function forgetPrevious(place: Place): Promise<void> {
  if ((await ownVersion(place.store, 'previous')) === null) return;
  await rm(join(place.store, 'previous'), { force: true });
  await syncFolder(place.store);
}

/** Removes everything that `publish` made, then the store if it is empty. Keeps foreign files. */
export async function withdraw(place: Place): Promise<void> {
  if (!(await namesIn(place.store)).some((name) => name.startsWith(VERSION) || name === RELOAD_PENDING)) return;
  for (const name of await namesIn(place.readers)) {
    if ((await linkTarget(join(place.readers, name))) === readerTarget(place, name))
      await rm(join(place.readers, name), { force: true });
  }
  for (const link of ['current', 'previous']) {
    if ((await ownVersion(place.store, link)) !== null) await rm(join(place.store, link), { force: true });
  }
  await rm(join(place.store, RELOAD_PENDING), { force: true });
  await sweep(place);
  if ((await namesIn(place.store)).length === 0) await rmdir(place.store);
}

/** Records on disk that a reload is due, so that a crash before the reload does not lose it. */
export async function noteReload(place: Place): Promise<void> {
  await (await open(join(place.store, RELOAD_PENDING), 'w', 0o600)).close();
  await syncFolder(place.store);
}

/** True from `noteReload` until `forgetReload`. */
export async function isReloadPending(place: Place): Promise<boolean> {
  return (await namesIn(place.store)).includes(RELOAD_PENDING);
}

/** Undoes `noteReload`. Succeeds when nothing is noted. */
export async function forgetReload(place: Place): Promise<void> {
  await rm(join(place.store, RELOAD_PENDING), { force: true });
}

/** Creates a folder and its missing parents, readable and searchable by all, whatever the umask. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, 0o755);
}

/** Resolves all links; keeps path parts that do not exist yet. */
export async function resolvedPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return join(await resolvedPath(dirname(path)), basename(path));
  }
}

/** Verifies that files for `owner` can be created in the nearest existing folder of `path`. Leaves nothing behind. */
export async function probe(path: string, owner: Owner | undefined): Promise<void> {
  const folder = await nearestExisting(path);
  const file = join(folder, temporaryName());
  try {
    await writeSynced(file, { bytes: Buffer.alloc(0), mode: 0o600, owner });
  } finally {
    await rm(file, { force: true });
  }
}

/** The system's error code, e.g. `ENOSPC`; undefined for other errors. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** The files that readers see. */
function seen(files: readonly StoredFile[]): StoredFile[] {
  return files.filter(({ name }) => name !== recordName);
}

async function writeSynced(path: string, file: Omit<StoredFile, 'name'>): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(file.bytes);
    if (file.owner) await handle.chown(file.owner.uid, file.owner.gid);
    await handle.chmod(file.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isStored(path: string, file: StoredFile): Promise<boolean> {
  const handle = await ifPresent(open(path, 'r'));
  if (handle === null) return false;
  try {
    const { mode, uid, gid } = await handle.stat();
    const owned = file.owner === undefined || (file.owner.uid === uid && file.owner.gid === gid);
    return owned && (mode & 0o7777) === file.mode && file.bytes.equals(await handle.readFile());
  } finally {
    await handle.close();
  }
}

/** Creates or replaces a link atomically. The temporary link is in the store, where `sweep` finds it. */
async function pointTo(place: Place, link: string, target: string): Promise<void> {
  const temporary = join(place.store, temporaryName());
  await symlink(target, temporary);
  await rename(temporary, link);
  await syncFolder(dirname(link));
}

/** Null when the link does not exist. Throws `misconfigured` when something else has this name. */
async function ownVersion(store: string, link: string): Promise<string | null> {
  const path = join(store, link);
  const target = await linkTarget(path);
  if (target?.startsWith(VERSION)) return target;
  if ((await ifPresent(lstat(path))) === null) return null;
  throw new PluginError(
    'misconfigured',
    `"${path}" was created by something else. Move it away or choose another folder.`,
  );
}

/** Null when `path` does not exist or is not a link. */
async function linkTarget(path: string): Promise<string | null> {
  return ifPresent(readlink(path), ['ENOENT', 'EINVAL']);
}

function readerTarget(place: Place, name: string): string {
  return relative(place.readers, join(place.store, 'current', name));
}

async function namesIn(folder: string): Promise<string[]> {
  return (await ifPresent(readdir(folder), ['ENOENT', 'ENOTDIR'])) ?? [];
}

async function nearestExisting(path: string): Promise<string> {
  return (await ifPresent(lstat(path))) === null ? nearestExisting(dirname(path)) : path;
}

async function ifPresent<T>(result: Promise<T>, absent: readonly string[] = ['ENOENT']): Promise<T | null> {
  try {
    return await result;
  } catch (error) {
    if (absent.includes(codeOf(error) ?? '')) return null;
    throw error;
  }
}

function temporaryName(): string {
  return `${TEMPORARY}${randomBytes(6).toString('hex')}`;
}

/** A rename survives a power failure only after its folder was synced. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
