import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import { Config } from '../config.js';
import { challengePath } from '../http/platform-surfaces.js';

/** The folder of a web server in which answers to http-01 challenges are put as files, where one is configured. */
@Injectable()
export class Webroot {
  constructor(private readonly config: Config) {}

  /** Does nothing without HTTP_CHALLENGE_WEBROOT. `token` has the alphabet of base64url. Throws PluginError. */
  async put(token: string, content: string): Promise<void> {
    const folder = this.folder();
    if (folder === null) return;
    await explained(async () => {
      await mkdir(folder, { recursive: true });
      // A web server never sees half a file.
      await writeFile(join(folder, `.${token}`), content, { mode: 0o644 });
      await rename(join(folder, `.${token}`), join(folder, token));
    });
  }

  /** A file that is not there is done. Throws PluginError. */
  async remove(token: string): Promise<void> {
    const folder = this.folder();
    if (folder !== null) await explained(() => rm(join(folder, token), { force: true }));
  }

  private folder(): string | null {
    const { httpChallengeWebroot } = this.config;
    return httpChallengeWebroot === undefined ? null : join(httpChallengeWebroot, challengePath);
  }
}

async function explained(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new PluginError('misconfigured', `HTTP_CHALLENGE_WEBROOT cannot be written to (${code}).`, undefined, {
      cause: error,
    });
  }
}
