import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(__dirname, '../..');
const main = join(root, 'dist/src/main.js');
const cli = join(root, 'dist/src/cli/cli.js');

/** How a process ended: its exit status, or the signal that ended it. */
export interface ChildEnd {
  status: number | null;
  signal: NodeJS.Signals | null;
}

/** The compiled program in a process of its own, as an operator runs it. */
export interface ProgramChild {
  readonly pid: number;
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  readonly ended: Promise<ChildEnd>;
  /** What it has written so far. */
  stdout: () => string;
  stderr: () => string;
  /** SIGINT, as Ctrl-C sends it, and the end. */
  stop: () => Promise<ChildEnd>;
  /** SIGKILL, and the end. */
  kill: () => Promise<ChildEnd>;
}

/**
 * Settings of a child; nothing of this process's own environment reaches it but PATH and the folder for temporary
 * files.
 */
export type ChildEnv = Readonly<Record<string, string | undefined>>;

/** Starts it on a free port and waits until it listens. Throws with its last words when it ends before that. */
export async function startChild(env: ChildEnv): Promise<ProgramChild> {
  const started = spawnChild({ PORT: '0', SWEEP_INTERVAL_S: '1', LOG_LEVEL: 'error', ...env });
  const listening = started.matches(/^(?:API|Worker) +(http:\/\/[^/\s]+)\/\S+$/m);
  const url = await Promise.race([listening, started.ended.then(() => null)]);
  if (url === null) throw new Error(`The program ended before it listened:\n${started.stderr()}`);
  const end = (signal: NodeJS.Signals) => (): Promise<ChildEnd> => {
    started.process.kill(signal);
    return started.ended;
  };
  const {
    ended,
    stdout,
    stderr,
    process: { pid = 0 },
  } = started;
  return { pid, url, ended, stdout, stderr, stop: end('SIGINT'), kill: end('SIGKILL') };
}

/**
 * Runs one to its end, which comes by itself or by what `meanwhile` does to it; gives how it ended and what it wrote.
 */
export async function runChild(
  env: ChildEnv,
  meanwhile?: (child: ChildProcess) => Promise<void>,
): Promise<ChildEnd & { stdout: string; stderr: string }> {
  const { process: child, ended, stdout, stderr } = spawnChild({ PORT: '0', LOG_LEVEL: 'error', ...env });
  await meanwhile?.(child);
  return { ...(await ended), stdout: stdout(), stderr: stderr() };
}

/** What a call of the command line printed, and how it ended. */
export interface CliResult extends ChildEnd {
  stdout: string;
  stderr: string;
}

/** One call of the built command line, with `input` on its stdin. */
export async function runCli(env: ChildEnv, args: readonly string[], input = ''): Promise<CliResult> {
  const { process: child, ended, stdout, stderr } = spawnNode([cli, ...args], env, 'pipe');
  child.stdin?.on('error', () => undefined).end(input);
  return { ...(await ended), stdout: stdout(), stderr: stderr() };
}

/** Numbers of the processes whose command line or environment names this text, other than this one. Linux only. */
export function processesNaming(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => ['cmdline', 'environ'].some((name) => readProc(pid, name).includes(text)));
}

function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

interface Started {
  process: ChildProcess;
  ended: Promise<ChildEnd>;
  stdout: () => string;
  stderr: () => string;
  /** The first group, as soon as stdout matches. */
  matches: (pattern: RegExp) => Promise<string>;
}

function spawnChild(env: ChildEnv): Started {
  return spawnNode(['--enable-source-maps', main], env, 'ignore');
}

function spawnNode(args: string[], env: ChildEnv, stdin: 'ignore' | 'pipe'): Started {
  demandFreshBuild();
  const { PATH, TMPDIR } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { PATH, TMPDIR, ...env },
    stdio: [stdin, 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (texts.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (texts.stderr += chunk.toString()));
  const ended = once(child, 'close').then(([status, signal]): ChildEnd => ({ status, signal }));
  const matches = (pattern: RegExp): Promise<string> =>
    new Promise((resolve) => {
      child.stdout?.on('data', () => {
        const found = pattern.exec(texts.stdout)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
  return { process: child, ended, matches, stdout: () => texts.stdout, stderr: () => texts.stderr };
}

let built = false;

/** Throws when what would run is not what the sources say. */
function demandFreshBuild(): void {
  if (built) return;
  const newest = (folders: readonly string[], suffix: string): { path: string; at: number } =>
    folders
      .flatMap((folder) => filesBelow(join(root, folder)))
      .filter((path) => path.endsWith(suffix) && !path.endsWith('.spec.ts'))
      .map((path) => ({ path, at: statSync(path).mtimeMs }))
      .reduce((a, b) => (b.at > a.at ? b : a), { path: '', at: 0 });
  const source = newest(['src', 'plugins', 'migrations'], '.ts');
  if (newest(['dist'], '').at < source.at) {
    throw new Error(`dist/ is missing or older than ${relative(root, source.path)}. Run: npm run build`);
  }
  built = true;
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}
