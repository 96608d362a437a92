import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Programs that ask an OCSP responder which may run in this process: none of them blocks it. */
export interface OcspClients {
  /** Writes a file and gives its path. */
  file(name: string, content: string | Buffer): string;
  /** What a program writes to stdout and stderr, whether it succeeds or not. */
  run(program: string, ...args: readonly string[]): Promise<string>;
  /** An OCSP request of OpenSSL, in DER. */
  request(...args: readonly string[]): Promise<Buffer>;
  close(): void;
}

export function ocspClients(): OcspClients {
  const folder = mkdtempSync(join(tmpdir(), 'ocsp-'));
  const run: OcspClients['run'] = (program, ...args) =>
    new Promise((resolve) => {
      execFile(program, args, { cwd: folder, timeout: 170_000 }, (error, stdout, stderr) => {
        const lost = error && typeof error.code === 'string' ? error.message : '';
        resolve(`${stdout}${stderr}${lost}`);
      });
    });
  return {
    run,
    file: (name, content) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    },
    request: async (...args) => {
      const said = await run('openssl', 'ocsp', ...args, '-reqout', 'request.der');
      return readFile(join(folder, 'request.der')).catch(() => Promise.reject(new Error(said)));
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
