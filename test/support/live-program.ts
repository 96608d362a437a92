import { type ChildProcess, spawn } from 'node:child_process';
import { freePort } from './own-server.js';
import { spawnSync } from './sync-programs.js';

/** A program that a live suite starts, with the last of what it printed. */
export interface LiveProgram {
  port: number;
  stop(): Promise<void>;
}

/** Whether a program can be run: `args` print its version or help. */
export function canRun(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).error === undefined;
}

/**
 * Starts a server on a free port of this machine and waits until it takes connections that `isUp` accepts. Throws with
 * what the program printed when it ends before.
 */
export async function startLiveProgram(
  command: string,
  args: (port: number) => readonly string[],
  isUp: (port: number) => Promise<boolean>,
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<LiveProgram> {
  const port = await freePort();
  const child = spawn(command, args(port), { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-8000)));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  while (!(await isUp(port).catch(() => false))) {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${printed}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { port, stop: () => stopped(child, ended) };
}

async function stopped(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM');
  await ended;
}
