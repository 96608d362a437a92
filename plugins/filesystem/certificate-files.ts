import { constants } from 'node:fs';
import { type FileHandle, open, readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { NamedFile } from '../../src/pki/certificate-file.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { isWithin } from './allowed.js';
import { codeOf } from './filesystem.client.js';

/** A file or folder that could not be read; the path of a folder ends with a slash. */
export interface Unreadable {
  path: string;
  detail: string;
}
/** One folder: the files in it with a certificate extension, and faults of others. */
export interface ReadFolder {
  files: NamedFile[];
  unreadable: Unreadable[];
}

const mostEntries = 200_000;
const mostBytes = 1_048_576;
const deepest = 32;

/**
 * Walks the folders from `root` down, one at a time. Skips hidden entries and links to folders; follows links to files
 * only below `root`. Throws PluginError `misconfigured` when there are too many entries.
 */
export async function* foldersBelow(
  root: string,
  extensions: ReadonlySet<string>,
  signal: AbortSignal,
): AsyncGenerator<ReadFolder> {
  const waiting = [{ path: root, depth: 0 }];
  let entries = 0;
  for (let folder = waiting.pop(); folder; folder = waiting.pop()) {
    signal.throwIfAborted();
    const found: ReadFolder = { files: [], unreadable: [] };
    const members = await membersOf(folder.path, found, folder.depth === 0);
    entries += members.length;
    if (entries > mostEntries)
      throw new PluginError(
        'misconfigured',
        `"${root}" holds more than ${mostEntries} files. Configure folders below it instead.`,
      );
    for (const member of members) {
      const path = join(folder.path, member.name);
      if (member.isDirectory()) deeper(waiting, found, { path, depth: folder.depth + 1 });
      else if (extensions.has(extname(member.name).toLowerCase())) await readInto(found, path, root);
    }
    yield found;
  }
}

async function membersOf(path: string, { unreadable }: ReadFolder, isRoot: boolean) {
  try {
    const members = await readdir(path, { withFileTypes: true });
    return members.filter(({ name }) => !name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    // Without the root folder nothing is known, not even that it is empty.
    if (isRoot) throw error;
    unreadable.push({ path: `${path}/`, detail: `The folder cannot be read (${codeOf(error) ?? 'unknown error'}).` });
    return [];
  }
}

function deeper(
  waiting: { path: string; depth: number }[],
  { unreadable }: ReadFolder,
  folder: { path: string; depth: number },
): void {
  if (folder.depth <= deepest) waiting.push(folder);
  else unreadable.push({ path: `${folder.path}/`, detail: `It is more than ${deepest} folders deep.` });
}

async function readInto({ files, unreadable }: ReadFolder, path: string, root: string): Promise<void> {
  try {
    const real = await realpath(path);
    if (!isWithin(real, root))
      return void unreadable.push({ path, detail: 'It is a link that leads out of the folder.' });
    // Opening a pipe would block, and reading a device would not end.
    if (!(await stat(real)).isFile()) return;
    files.push({ path, bytes: await readWhole(real) });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    unreadable.push({
      path,
      detail: error instanceof PluginError ? error.detail : `It cannot be read (${codeOf(error) ?? 'unknown error'}).`,
    });
  }
}

async function readWhole(path: string): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await handle.stat()).size > mostBytes)
      throw new PluginError('refused', `It is larger than ${mostBytes} bytes.`);
    return await handle.readFile();
  } finally {
    await handle?.close();
  }
}
