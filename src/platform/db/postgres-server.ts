import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { lockedExitCode } from './postgres-launcher.js';

/** How to start one server process. */
export interface ServerCommand {
  program: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  /** A database that always exists, as a connection URL. */
  probeUrl: string;
  /** The server's `cluster_name`: tells it from another one that may still answer at the same socket. */
  name: string;
  log: (line: string) => void;
}

/** One started server process. */
export interface ServerProcess {
  /** Settles when the process is gone, whatever the reason. */
  exited: Promise<void>;
  /** Fast shutdown, after 30 s immediate shutdown; resolves when the process is gone. */
  stop: () => Promise<void>;
}

/** Starts the server and waits until it answers, however long its crash recovery takes. Throws with its last words. */
export async function startServer(command: ServerCommand): Promise<ServerProcess> {
  // A group of its own: Ctrl-C in the terminal must reach only this process, which then stops the server after its
  // clients.
  const child = spawn(command.program, command.args, {
    env: command.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const lastLines = follow(child, command.log);
  const stopWithUs = (): void => void child.kill('SIGINT');
  process.once('exit', stopWithUs);
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve())).finally(() =>
    process.off('exit', stopWithUs),
  );
  await untilReady(child, command);
  if (isRunning(child)) return { exited, stop: () => stop(child, exited) };
  await exited;
  throw new Error(reasonOf(child, lastLines));
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function follow(child: ChildProcess, log: (line: string) => void): string[] {
  const last: string[] = [];
  child.on('error', (error) => last.push(error.message));
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      last.push(line);
      if (last.length > 20) last.shift();
      log(line);
    });
  }
  return last;
}

async function untilReady(child: ChildProcess, command: ServerCommand): Promise<void> {
  while (isRunning(child)) {
    if ((await nameOfServer(command.probeUrl).catch(() => null)) === command.name) return;
    await sleep(20);
  }
}

async function nameOfServer(url: string): Promise<string | undefined> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ cluster_name: string }>('show cluster_name');
    return rows[0]?.cluster_name;
  } finally {
    await client.end();
  }
}

function reasonOf(child: ChildProcess, lastLines: string[]): string {
  if (child.exitCode === lockedExitCode) {
    return 'The data directory is in use by a process that is not visible from here, such as one in another container.';
  }
  return (
    'PostgreSQL did not start (exit code ' +
    `${child.exitCode ?? child.signalCode ?? 'none'}):\n${lastLines.join('\n')}`
  );
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill('SIGINT');
  const escalation = setTimeout(() => child.kill('SIGQUIT'), 30_000);
  await exited.finally(() => clearTimeout(escalation));
}
