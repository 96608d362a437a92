import { readFile } from 'node:fs/promises';
import { PluginError } from '../../plugin-api/errors.js';
import type { Config } from '../config.js';

/**
 * The files of `SERVICE_FILES`, which are read again at every use: others renew them. Only the address for which the
 * operator has named a token gets it, whatever address a user writes.
 */
export class ServiceFiles {
  private readonly services: Config['serviceFiles'];

  constructor({ serviceFiles }: Pick<Config, 'serviceFiles'>) {
    this.services = serviceFiles;
  }

  /** The token for exactly this address; null when there is none. Throws PluginError. */
  async tokenFor(address: string): Promise<string | null> {
    const wanted = plain(address);
    const [, files] = Object.entries(this.services).find(([own]) => plain(own) === wanted) ?? [];
    if (files?.token === undefined) return null;
    const token = (await contentOf(files.token)).trim();
    // Nothing else can be a header, and no error may quote it.
    if (/^[\x21-\x7e]{1,16384}$/.test(token)) return token;
    throw new PluginError('misconfigured', `The file ${files.token} of SERVICE_FILES holds no token.`);
  }

  /**
   * The CAs that alone are trusted at the origin of this address, in PEM; undefined: as otherwise. What is no address
   * has none: who asks finds out by calling it.
   */
  async caFor(address: URL | string): Promise<string | undefined> {
    if (!URL.canParse(String(address))) return undefined;
    const { origin } = new URL(address);
    const found = Object.entries(this.services).find(
      ([own, { ca }]) => ca !== undefined && new URL(own).origin === origin,
    );
    return found?.[1].ca === undefined ? undefined : contentOf(found[1].ca);
  }
}

function plain(address: string): string {
  return new URL(address).href.replace(/\/+$/, '');
}

async function contentOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new PluginError('unavailable', `The file ${path} of SERVICE_FILES cannot be read (${code}).`, undefined, {
      cause: error,
    });
  }
}
