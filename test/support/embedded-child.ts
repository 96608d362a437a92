import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import ts from 'typescript';

const repository = join(__dirname, '../..');
const sources = join(repository, 'src/platform/db');

const program = `
const { startEmbeddedPostgres } = require('./embedded-postgres.js');
startEmbeddedPostgres({ dataDir: process.argv[2], log: (line) => process.stderr.write(line + '\\n') }).then(
  async (server) => {
    console.log(JSON.stringify({ url: server.url }));
    process.stdin.resume().on('end', () => server.stop());
  },
  (error) => console.log(JSON.stringify({ error: error.message })),
);
`;

/** How a child is started: a command that its own comes after, and what `spawn` takes. */
export interface ChildOptions {
  prefix?: string[];
  uid?: number;
  env?: NodeJS.ProcessEnv;
}

/** A process of its own that runs the embedded server. */
export interface EmbeddedChild {
  process: ChildProcess;
  /** What became of the start; never rejects. */
  started: Promise<{ url?: string; error?: string }>;
  /** Asks it to stop the server, and waits for its end. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
}

/** The compiled starter in a folder of its own, which children of any user can run. */
export interface ChildProgram {
  folder: string;
  start(dataDir: string, options?: ChildOptions): EmbeddedChild;
  remove(): Promise<void>;
}

/** Compiles the starter; `modules` is the folder to take packages from. */
export async function compileChild(modules = join(repository, 'node_modules')): Promise<ChildProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'perennial-child-'));
  await chmod(folder, 0o755);
  await symlink(modules, join(folder, 'node_modules'));
  for (const name of await readdir(sources)) {
    if (!name.endsWith('.ts') || name.endsWith('.spec.ts')) continue;
    const { outputText } = ts.transpileModule(await readFile(join(sources, name), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.CommonJS,
        target: ts.ScriptTarget.ES2022,
        esModuleInterop: true,
        experimentalDecorators: true,
      },
    });
    await writeFile(join(folder, name.replace(/\.ts$/, '.js')), outputText);
  }
  await writeFile(join(folder, 'child.js'), program);
  return {
    folder,
    start: (dataDir, options = {}) => start(folder, dataDir, options),
    remove: () => rm(folder, { recursive: true }),
  };
}

function start(folder: string, dataDir: string, { prefix = [], uid, env = process.env }: ChildOptions): EmbeddedChild {
  const [command = '', ...args] = [...prefix, process.execPath, join(folder, 'child.js'), dataDir];
  const child = spawn(command, args, { env, uid, gid: uid, stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exited = once(child, 'exit').then(() => undefined);
  // Later than the end of the process, which may come before its last words are read.
  const closed = once(child, 'close');
  const firstLine = once(createInterface({ input: child.stdout }), 'line').then(
    ([line]) => JSON.parse(String(line)) as { url?: string; error?: string },
  );
  const started = Promise.race([firstLine, closed.then(() => ({ error: `ended: ${errors}` }))]);
  const end = (how: () => void) => async (): Promise<void> => {
    how();
    await exited;
  };
  return { process: child, started, stop: end(() => child.stdin.end()), kill: end(() => child.kill('SIGKILL')) };
}
