import { lstat, mkdir, mkdtemp, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { clusterUser } from './postgres-cluster.js';

/** Only part of the socket's name: `.s.PGSQL.5432`. */
export const socketPort = '5432';
/** An address of a unix socket holds 103 bytes on macOS and 107 on Linux (unix(7)). */
const longestFolder = 103 - `/.s.PGSQL.${socketPort}`.length;
/**
 * What a server says that is about to be ready or gone, and one whose database is not made yet (PostgreSQL, Appendix
 * A).
 */
const notYet = new Set(['57P03', '3D000']);
const nobodyThere = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ECONNRESET', 'EPIPE']);

/**
 * `folder` itself, or, where its path is too long for a socket, a private temporary folder to which `folder` then
 * links.
 */
export async function makeSocketFolder(folder: string): Promise<string> {
  if (Buffer.byteLength(folder) <= longestFolder) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }
  const old = await linkedFolder(folder);
  if (old !== null) return old;
  const short = await mkdtemp(join(tmpdir(), 'perennial-'));
  await rm(folder, { force: true });
  await symlink(short, folder);
  return short;
}

/**
 * Both `new URL` and libpq read this form; with `user@` before an empty host only libpq would. What it leaves out is
 * taken from PGPORT, PGSSLMODE and their like, so it leaves nothing out.
 */
export function socketUrl(folder: string, name: string): string {
  return `postgresql:///${name}?host=${encodeURIComponent(folder)}&port=${socketPort}&user=${clusterUser}&sslmode=disable`;
}

/**
 * The URL of the database `name` at the server that listens in `folder`; null when none does. Waits up to 30 s for one
 * that is just starting or ending.
 */
export async function findListening(folder: string, name: string): Promise<string | null> {
  const short = Buffer.byteLength(folder) <= longestFolder ? folder : await linkedFolder(folder);
  if (short === null) return null;
  const url = socketUrl(short, name);
  for (let tries = 0; ; tries += 1) {
    const code = await knock(url);
    if (code === null) return url;
    if (nobodyThere.has(code)) return null;
    if (!notYet.has(code) || tries === 150)
      throw new Error(`The embedded PostgreSQL in ${folder} does not let anyone in (${code}).`);
    await sleep(200);
  }
}

/** Null when someone opened, else the code of the error. */
async function knock(url: string): Promise<string | null> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown error';
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function linkedFolder(link: string): Promise<string | null> {
  const folder = await readlink(link).catch(() => null);
  return folder !== null && (await isPrivate(folder)) ? folder : null;
}

async function isPrivate(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => null);
  return found !== null && found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0;
}
