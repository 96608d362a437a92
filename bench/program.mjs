import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Caller } from './caller.mjs';

const adminPassword = 'Correct-Horse-1!';

/**
 * Starts the program that is built in the folder `build`, as users run it, in its own process; `caller` is signed in as
 * admin. `heapMiB`: the most that V8 lets its long-lived objects take.
 */
export async function startProgram({ build, databaseUrl, dataDir, sockets, heapMiB, env = {} }) {
  const heap = heapMiB === undefined ? [] : [`--max-old-space-size=${heapMiB}`];
  const child = spawn(process.execPath, [...heap, ...nodeOptions(), join(build, 'dist/src/main.js')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: databaseUrl,
      ADMIN_PASSWORD: adminPassword,
      // The clients of the bench share one address.
      PKI_REQUESTS_PER_SECOND: '0',
      ...env,
    },
  });
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    await exited;
  };
  const url = await Promise.race([
    addressOf(child),
    exited.then(([code]) => {
      throw new Error(`The program ended with status ${code}.`);
    }),
  ]);
  const caller = new Caller(url, sockets);
  // A worker has no API to sign in to.
  if (env.PERENNIAL_ROLE === 'worker') return { caller, stop, pid: child.pid };
  try {
    caller.token = (await caller.json('POST', '/auth/login', { username: 'admin', password: adminPassword })).token;
  } catch (error) {
    await stop();
    throw error;
  }
  return { caller, stop, pid: child.pid };
}

/** BENCH_NODE_OPTIONS applies to the program only, e.g. `--cpu-prof`. */
function nodeOptions() {
  return (process.env.BENCH_NODE_OPTIONS ?? '').split(' ').filter((option) => option !== '');
}

/** Keeps reading while the program lives: a full pipe would block its log. */
function addressOf(child) {
  return new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, url] = /^(?:API|Worker) +(http:\S+)$/.exec(line) ?? [];
      if (url) resolve(url);
    });
  });
}
