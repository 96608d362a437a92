import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encryptionKey } from '../config-value.js';
import { KeyRingError, type RingKey } from './key-ring.js';

const heading = `# Opens every private key and secret in the database. Back it up apart from the database; never change it by hand.
# One key a line, 32 bytes in base64; the first seals, all open.
`;

/**
 * The keys in the file, first line first; null when there is no file. Throws KeyRingError when others may read it or it
 * is damaged.
 */
export async function readKeyRingFile(path: string): Promise<RingKey[] | null> {
  const info = await stat(path).catch(absent);
  if (info === null) return null;
  if ((info.mode & 0o077) !== 0) {
    throw new KeyRingError(
      `${path} can be reached by other users (mode ${(info.mode & 0o777).toString(8)}). Run: chmod 600 ${path}`,
    );
  }
  return keyLines(await readFile(path, 'utf8')).map((line, index) => {
    const parsed = encryptionKey.safeParse(line);
    if (parsed.success) return parsed.data;
    throw new KeyRingError(`Key ${index + 1} in ${path} is damaged. Restore the file from a backup.`);
  });
}

/**
 * Makes a file with one new key, mode 0600, whole or not at all; of two processes that try at once, both get the key of
 * one.
 */
export async function createKeyRingFile(path: string): Promise<RingKey[]> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  await writeDurably(draft, `${heading}${randomBytes(32).toString('base64')}\n`);
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  await syncFolder(dirname(path));
  const keys = await readKeyRingFile(path);
  if (keys === null) throw new KeyRingError(`${path} vanished while it was being made.`);
  return keys;
}

/**
 * Puts a new key in front of those in the file: it seals from the next start of each process on. Throws KeyRingError
 * when there is no file.
 */
export async function addKeyToFile(path: string): Promise<void> {
  await rewrite(path, (lines) => [randomBytes(32).toString('base64'), ...lines]);
}

/** Leaves only the first key in the file: for when nothing is sealed with the others any more. */
export async function keepFirstKeyInFile(path: string): Promise<void> {
  await rewrite(path, (lines) => lines.slice(0, 1));
}

async function rewrite(path: string, change: (lines: string[]) => string[]): Promise<void> {
  if ((await readKeyRingFile(path)) === null) throw new KeyRingError(`There is no key ring at ${path}.`);
  const lines = keyLines(await readFile(path, 'utf8'));
  const draft = `${path}.${randomUUID()}`;
  await writeDurably(draft, `${heading}${change(lines).join('\n')}\n`);
  await rename(draft, path);
  await syncFolder(dirname(path));
}

function keyLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
