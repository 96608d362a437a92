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
 * Resolves all links. Throws PluginError for a path outside the allowed folders, in or above one of the program's own
 * folders, or in a pseudo file system.
 */
export async function allowed(path: string, site: Pick<Site, 'protectedPaths' | 'allowedRoots'>): Promise<string> {
  await demandAllowedRoot(path, site);
  const real = await resolvedPath(normalize(path));
  // Creating a folder in /proc never returns and blocks a thread of the pool for ever.
  if (PSEUDO_FILE_SYSTEMS.some((root) => isWithin(real, root)))
    throw new PluginError('misconfigured', `"${path}" is in a pseudo file system.`);
  for (const own of site.protectedPaths) {
    const ownReal = await resolvedPath(own);
    if (isWithin(real, ownReal) || isWithin(ownReal, real))
      throw new PluginError('misconfigured', `"${path}" is reserved for this program's own data.`);
  }
  return real;
}

/** Throws PluginError for a path outside the allowed folders, after all links are resolved. */
export async function demandAllowedRoot(path: string, { allowedRoots }: Pick<Site, 'allowedRoots'>): Promise<void> {
  if (allowedRoots === undefined) return;
  const real = await resolvedPath(normalize(path));
  for (const root of allowedRoots) if (isWithin(real, await resolvedPath(root))) return;
  throw new PluginError('misconfigured', `"${path}" is outside the folders of ALLOWED_FILESYSTEM_ROOTS.`);
}

/** True for the folder itself and everything below it. Both paths are absolute and without links. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}

/**
 * A full disk or missing permission may be fixed without notice to us (retry); a path of the wrong kind is a wrong
 * option.
 */
const WRONG_PATH = new Set(['ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG']);

/** Runs `work`; converts file system errors to PluginError. */
export async function translated<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PluginError) throw error;
    if (signal.aborted)
      throw new PluginError('unavailable', 'Interrupted before it was finished.', undefined, { cause: error });
    const code = codeOf(error);
    if (code === undefined || !(error instanceof Error)) throw error;
    throw new PluginError(WRONG_PATH.has(code) ? 'misconfigured' : 'unavailable', error.message, undefined, {
      cause: error,
    });
  }
}
