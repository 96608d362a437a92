import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, ownFolder, type OwnServer, ownServer } from './own-server.js';
import { eventually } from './program.js';
import { spawnSync } from './sync-programs.js';

/** Where Debian puts it is not on the PATH of ordinary users. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

/** A BIND of this run's own at 127.0.0.1, with zones that `keySecret` of the key `updater` may update. */
export interface TestNamed extends OwnServer {
  port: number;
  /** Base64. */
  keySecret: string;
  /** The TXT records of a name as a resolver reads them (latin1), in order; empty when there are none. */
  txt(name: string): Promise<string[]>;
}

/** Whether the program is installed; if not, says once how to get it. */
export function namedIsInstalled(): boolean {
  const found = spawnSync('named', ['-v'], { env }).status === 0;
  if (!found) console.warn('Skipped: BIND is not installed (Debian and Ubuntu: apt-get install bind9).');
  return found;
}

/** Starts a server for the zones; `algorithm` is that of the key, `records` are more lines of the first zone. */
export async function startNamed(
  zones: readonly string[],
  algorithm = 'hmac-sha256',
  records: readonly string[] = [],
): Promise<TestNamed> {
  const dir = await ownFolder('named');
  const port = await freePort();
  const keySecret = randomBytes(64).toString('base64');
  for (const [at, zone] of zones.entries())
    await writeFile(join(dir, `${zone}.zone`), [emptyZone, ...(at === 0 ? records : []), ''].join('\n'));
  await writeFile(
    join(dir, 'named.conf'),
    [
      `options { directory "${dir}"; pid-file "${dir}/pid"; session-keyfile "${dir}/session.key";`,
      `  managed-keys-directory "${dir}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };`,
      '  recursion no; dnssec-validation no; allow-query { any; }; };',
      'controls { };',
      `key updater { algorithm ${algorithm}; secret "${keySecret}"; };`,
      `key reader { algorithm ${algorithm}; secret "${keySecret}"; };`,
      ...zones.map(
        (zone) => `zone "${zone}" { type primary; file "${dir}/${zone}.zone"; allow-update { key updater; }; };`,
      ),
    ].join('\n'),
  );
  const resolver = new Resolver({ timeout: 10_000, tries: 4 });
  resolver.setServers([`127.0.0.1:${port}`]);
  const server = ownServer(
    dir,
    () => spawn('named', ['-f', '-c', join(dir, 'named.conf')], { env, stdio: 'ignore' }),
    () => eventually(async () => (await resolver.resolveSoa(zones[0] ?? '').catch(() => null)) !== null),
  );
  await server.start();
  const txt = async (name: string): Promise<string[]> => {
    try {
      return (await resolver.resolveTxt(name)).map((parts) => parts.join('')).sort();
    } catch (error) {
      if (['ENODATA', 'ENOTFOUND'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
      throw error;
    }
  };
  return { port, keySecret, txt, ...server };
}

const emptyZone = `$TTL 60
@ IN SOA ns.invalid. admin.invalid. 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
kept IN TXT "kept"`;
