import { isAbsolute, normalize, relative } from 'node:path';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Site } from '../../src/plugin-api/site.js';
import { codeOf, resolvedPath } from './filesystem.client.js';

/** An option that names a folder. */
export const absolutePath = z
  .string()
  .max(1024)
  .regex(/^\/(?!(?:[^\0-\x1f]*\/)?\.\.(?:\/|$))[^\0-\x1f]*$/, 'must be an absolute path without ".."');

const PSEUDO_FILE_SYSTEMS = ['/proc', '/sys', '/dev'];

/**
 * The path after all links. Throws PluginError for one outside the folders that the operator allows, in or above one of
 * the program's own folders, or in a file system that is none.
 */
export async function allowed(path: string, site: Pick<Site, 'protectedPaths' | 'allowedRoots'>): Promise<string> {
  await demandAllowedRoot(path, site);
  const real = await resolvedPath(normalize(path));
  // Making a folder in /proc never comes back, and holds a thread of the pool for ever.
  if (PSEUDO_FILE_SYSTEMS.some((root) => isWithin(real, root)))
    throw new PluginError('misconfigured', `"${path}" is no place for files.`);
  for (const own of site.protectedPaths) {
    const ownReal = await resolvedPath(own);
    if (isWithin(real, ownReal) || isWithin(ownReal, real))
      throw new PluginError('misconfigured', `"${path}" is reserved for this program's own data.`);
  }
  return real;
}

/** Throws PluginError for a path that, after all links, lies outside the folders that the operator allows. */
export async function demandAllowedRoot(path: string, { allowedRoots }: Pick<Site, 'allowedRoots'>): Promise<void> {
  if (allowedRoots === undefined) return;
  const real = await resolvedPath(normalize(path));
  for (const root of allowedRoots) if (isWithin(real, await resolvedPath(root))) return;
  throw new PluginError('misconfigured', `"${path}" lies outside the folders of ALLOWED_FILESYSTEM_ROOTS.`);
}

/** True for the folder itself and everything below it. Both are absolute and without links. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}

/**
 * A full disk or a missing right may be mended without anyone telling us; a path of the wrong kind is a wrong option.
 */
const WRONG_PATH = new Set(['ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG']);

/** Runs `work`; an error of the file system becomes a PluginError. */
export async function translated<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PluginError) throw error;
    if (signal.aborted)
      throw new PluginError('unavailable', 'Interrupted before it was done.', undefined, { cause: error });
    const code = codeOf(error);
    if (code === undefined || !(error instanceof Error)) throw error;
    throw new PluginError(WRONG_PATH.has(code) ? 'misconfigured' : 'unavailable', error.message, undefined, {
      cause: error,
    });
  }
}
