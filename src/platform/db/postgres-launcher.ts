import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The exit code of a server that did not get the lock of the data directory. */
export const lockedExitCode = 75;

/** Command prefixes for PostgreSQL. */
export interface Launcher {
  /** For a program that must not outlive this process and may be killed at any time. */
  brief: string[];
  /** For the server: stops fast when this process dies. */
  server: string[];
  /**
   * Goes before `server`: a file lock that is held while any process of the server lives. Empty without flock(1).
   */
  lock: string[];
}

/**
 * How to start PostgreSQL from this process. PostgreSQL refuses to run as root, and initdb under a uid without a name:
 * both then get a user namespace in which the same uid is called 1, a name that every system has. Throws when that is
 * not allowed.
 */
export async function findLauncher(lockFile: string): Promise<Launcher> {
  const namespace = needsNamespace() ? await userNamespace() : [];
  const [setpriv, flock] = await Promise.all([
    works(['setpriv', '--pdeathsig', 'INT']),
    works(['flock', '--no-fork', '--shared', '/dev/null']),
  ]);
  const lock = ['flock', '--no-fork', '--timeout', '10', '--conflict-exit-code', String(lockedExitCode), lockFile];
  const diesBy = (signal: string): string[] => (setpriv ? ['setpriv', '--pdeathsig', signal] : []);
  return {
    brief: [...namespace, ...diesBy('KILL')],
    server: [...namespace, ...diesBy('INT')],
    lock: flock ? lock : [],
  };
}

function needsNamespace(): boolean {
  if (process.geteuid?.() === 0) return true;
  try {
    userInfo();
    return false;
  } catch {
    return true;
  }
}

async function userNamespace(): Promise<string[]> {
  const command = ['unshare', '--user', '--map-user=1', '--map-group=1'];
  if (await works(command)) return command;
  const who = process.geteuid?.() === 0 ? 'root' : `uid ${process.geteuid?.()}, which has no name in /etc/passwd`;
  throw new Error(
    `The embedded PostgreSQL does not run as ${who}, and this system does not allow ` +
      'user namespaces, which would help. ' +
      'Run Perennial as an ordinary user that owns DATA_DIR (in Docker: --user ' +
      '1000:1000), or set DATABASE_URL to a PostgreSQL server.',
  );
}

async function works(prefix: string[]): Promise<boolean> {
  const [program = '', ...words] = prefix;
  return run(program, [...words, 'true']).then(
    () => true,
    () => false,
  );
}
