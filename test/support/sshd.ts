import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort, ownFolder, type OwnServer, ownServer } from './own-server.js';
import { eventually } from './program.js';
import { execFileSync } from './sync-programs.js';

/** OpenSSH's server, of this run's own. The account is that of the test. */
export interface TestSshd extends OwnServer {
  port: number;
  user: string;
  /** A folder for files, with its links resolved. */
  files: string;
  /** The public host keys by their type, as lines of `ssh-keyscan`: `ed25519`, `ecdsa`. */
  hostKeyLines: Readonly<Record<string, string>>;
  /** Private keys that the account accepts; the second one is encrypted with `passphrase`. */
  key: string;
  encryptedKey: string;
  passphrase: string;
  /** Lets the account sign in with the keys of another server's client, too. */
  accept(other: TestSshd): void;
  /** Files of the key pairs: of the host by type, and of the client. */
  hostKeyFiles: Readonly<Record<string, string>>;
  publicKeys: string;
}

/** `settings` are more lines of sshd_config; `hostKeys` are the files of another server's host keys. */
export async function startSshd(settings: readonly string[] = [], hostKeys?: TestSshd): Promise<TestSshd> {
  const folder = await realpath(await ownFolder('sshd'));
  const at = (name: string): string => join(folder, name);
  const keyed = (file: string, ...args: string[]): string => {
    execFileSync('ssh-keygen', ['-q', '-f', at(file), '-C', 'test', ...args]);
    return at(file);
  };
  const passphrase = 'Marker passphrase 4f6e';
  keyed('client', '-t', 'ed25519', '-N', '');
  keyed('encrypted', '-t', 'rsa', '-b', '2048', '-N', passphrase, '-a', '1');
  const hostKeyFiles = hostKeys?.hostKeyFiles ?? {
    ed25519: keyed('host-ed25519', '-t', 'ed25519', '-N', ''),
    ecdsa: keyed('host-ecdsa', '-t', 'ecdsa', '-b', '256', '-N', ''),
  };
  const publicKeys = [at('client.pub'), at('encrypted.pub')].map((file) => readFileSync(file, 'utf8'));
  await writeFile(at('authorized_keys'), publicKeys.join(''), { mode: 0o600 });
  await mkdir(at('files'));
  const port = await freePort();
  await writeFile(
    at('sshd_config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      ...Object.values(hostKeyFiles).map((file) => `HostKey ${file}`),
      `AuthorizedKeysFile ${at('authorized_keys')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin yes',
      ...settings,
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  // As root it wants this folder, which Debian makes when the service starts.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const server = ownServer(
    folder,
    () => spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd_config')], { stdio: 'ignore' }),
    () => eventually(() => greets(port)),
  );
  await server.start();
  const hostKeyLines = Object.entries(hostKeyFiles).map(([type, file]) => {
    const [name, key] = readFileSync(`${file}.pub`, 'utf8').split(' ');
    return [type, `[127.0.0.1]:${port} ${name} ${key}`];
  });
  return {
    ...server,
    port,
    user: userInfo().username,
    files: at('files'),
    hostKeyLines: Object.fromEntries(hostKeyLines) as Record<string, string>,
    key: readFileSync(at('client'), 'utf8'),
    encryptedKey: readFileSync(at('encrypted'), 'utf8'),
    passphrase,
    hostKeyFiles,
    publicKeys: publicKeys.join(''),
    accept: (other) => appendFileSync(at('authorized_keys'), other.publicKeys),
  };
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => resolve(true)).once('error', () => resolve(false));
    socket.once('data', () => socket.destroy());
  });
}
