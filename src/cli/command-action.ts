import { type Command, InvalidArgumentError } from 'commander';
import type { Session } from './session.js';
import type { Shell } from './shell.js';

type Action<A extends unknown[]> = (...args: [...A, Command]) => Promise<void>;

/** An `.action()` that loads the code of the command when it runs, so that `--help` is fast. */
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

/** As `lazily`, for a command that uses the services of the program. */
export function inSession<A extends unknown[]>(
  load: () => Promise<(session: Session, ...args: A) => Promise<void>>,
): Action<A> {
  return lazily(async () => {
    const [{ withSession }, work] = await Promise.all([import('./session.js'), load()]);
    return (shell, ...args: A) => withSession(shell, (session) => work(session, ...args));
  });
}

/** Parses the value of an option: a whole number of at most nine digits. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}
