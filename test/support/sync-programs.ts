import * as node from 'node:child_process';

/** Far more than any program takes, on a busy machine too. SIGKILL, as a program can ignore SIGTERM. */
const limit = { timeout: 120_000, killSignal: 'SIGKILL' };

type Run = (file: string, args: readonly string[], options: object) => unknown;

/*
 * A program that runs synchronously blocks the process of its test. The limits of vitest are timers of that process, so
 * they never end such a program; Node's own limit does.
 */

/** That of Node, with a limit of two minutes unless the options have another one. Throws ETIMEDOUT then. */
export const execFileSync = limited(node.execFileSync);

/** That of Node, with a limit of two minutes unless the options have another one. Its `error` is ETIMEDOUT then. */
export const spawnSync = limited(node.spawnSync);

/** As in Node, the arguments may be left out before the options. */
function limited<T extends Run>(run: T): T {
  const call = (file: string, ...rest: readonly unknown[]): unknown => {
    const args = Array.isArray(rest[0]) ? (rest[0] as string[]) : [];
    const options = rest.find((value) => typeof value === 'object' && !Array.isArray(value));
    return run(file, args, { ...limit, ...(options as object | undefined) });
  };
  return call as T;
}
