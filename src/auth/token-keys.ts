import { createSecretKey, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../platform/config.js';

/**
 * The keys of session tokens: the first signs, all verify. KeyObjects, because the JWT library is much slower with
 * text.
 */
export type TokenKeys = readonly [KeyObject, ...KeyObject[]];
export const TokenKeys = Symbol('TokenKeys');

/**
 * Reads the keys from TOKEN_SECRETS, or from `DATA_DIR/token-secret`, which is created if missing. Throws if other
 * users can read that file.
 */
export async function openTokenKeys({
  tokenSecrets,
  dataDir,
}: Pick<Config, 'tokenSecrets' | 'dataDir'>): Promise<TokenKeys> {
  const [first, ...others] = tokenSecrets ?? [];
  return [key(first ?? (await ownSecret(dataDir))), ...others.map(key)];
}

// RFC 7518 §3.2 requires at least 256 bits for HS256.
function key(secret: string): KeyObject {
  const bytes = Buffer.from(secret, 'utf8');
  if (bytes.length < 32) throw new Error('A token secret must have at least 32 characters.');
  return createSecretKey(bytes);
}

async function ownSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, 'token-secret');
  const info = await stat(path).catch(() => null);
  if (info === null) await make(dataDir, path);
  else if ((info.mode & 0o077) !== 0) throw new Error(`${path} can be reached by other users. Run: chmod 600 ${path}`);
  return (await readFile(path, 'utf8')).trim();
}

/** Creates the file atomically. If two processes start at once, both use the same secret. */
async function make(dataDir: string, path: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, `${randomBytes(48).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  await link(draft, path)
    .catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    })
    .finally(() => unlink(draft));
}
