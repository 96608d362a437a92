import type { Command } from 'commander';
import type { Session } from './session.js';
import type { Shell } from './shell.js';

type Action<A extends unknown[]> = (...args: [...A, Command]) => Promise<void>;

/** What `.action()` of a command takes: loads the work when it is called for, so that `--help` need not. */
export function lazily<A extends unknown[]>(
  load: () => Promise<(shell: Shell, ...args: A) => Promise<void>>,
): Action<A> {
  return async (...all) => {
    const command = all.pop() as Command;
    const [{ Shell: ShellOf }, work] = await Promise.all([import('./shell.js'), load()]);
    const shell = new ShellOf(command.optsWithGlobals());
    await shell.run(() => work(shell, ...(all as unknown as A)));
  };
}

/** As `lazily`, for work on the services of the program. */
export function inSession<A extends unknown[]>(
  load: () => Promise<(session: Session, ...args: A) => Promise<void>>,
): Action<A> {
  return lazily(async () => {
    const [{ withSession }, work] = await Promise.all([import('./session.js'), load()]);
    return (shell, ...args: A) => withSession(shell, (session) => work(session, ...args));
  });
}
