import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { matchFiles, type MatchedFiles } from '../certificates/import/matched-files.js';
import { certificateFiles, extensionOf, keyFiles, type NamedFile } from '../pki/certificate-file.js';
import { readZip, ZipError } from '../platform/zip.js';

const endings = new Set([...certificateFiles, ...keyFiles, '.zip']);
const largest = 64 * 1024 * 1024;

/** Reads files, folders and ZIP archives, and matches what they hold. Throws if a path does not exist. */
export async function readFiles(paths: readonly string[], passphrases: readonly string[]): Promise<MatchedFiles> {
  const faults: MatchedFiles['faults'] = [];
  const matched = await matchFiles(filesAt(paths, faults), passphrases);
  matched.faults.unshift(...faults);
  return matched;
}

async function* filesAt(paths: readonly string[], faults: MatchedFiles['faults']): AsyncGenerator<NamedFile> {
  for (const path of paths) {
    for (const file of await namesAt(path)) {
      const bytes = await contentAt(file, faults);
      if (bytes === null) continue;
      if (extensionOf(file) === '.zip') yield* await unpacked(file, bytes, faults);
      else yield { path: file, bytes };
    }
  }
}

async function namesAt(path: string): Promise<string[]> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read (${error.code}).`);
  });
  if (!info.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  const files = names
    .filter((name) => endings.has(extensionOf(name)))
    .sort()
    .map((name) => join(path, name));
  const kinds = await Promise.all(files.map((file) => stat(file).catch(() => null)));
  return files.filter((_, i) => kinds[i]?.isFile());
}

async function contentAt(path: string, faults: MatchedFiles['faults']): Promise<Buffer | null> {
  try {
    if ((await stat(path)).size <= largest) return await readFile(path);
    faults.push({ path, fault: 'The file is too large' });
  } catch (error) {
    faults.push({ path, fault: `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})` });
  }
  return null;
}

async function unpacked(path: string, bytes: Buffer, faults: MatchedFiles['faults']): Promise<NamedFile[]> {
  try {
    const entries = (await readZip(bytes)).map((entry) => ({ ...entry, path: `${path}:${entry.path}` }));
    faults.push(...entries.flatMap((one) => (one.fault === undefined ? [] : [{ path: one.path, fault: one.fault }])));
    return entries.flatMap((one) => (one.bytes === undefined ? [] : [{ path: one.path, bytes: one.bytes }]));
  } catch (error) {
    if (!(error instanceof ZipError)) throw error;
    faults.push({ path, fault: error.message });
    return [];
  }
}
