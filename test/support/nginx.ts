import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ownFolder } from './own-server.js';
import { eventually } from './program.js';

/** Where Debian puts it is not on the PATH of ordinary users. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** An nginx of this run's own. */
export interface TestNginx {
  /** What `-c` must name, so that a signal reaches this nginx. */
  configuration: string;
  /** Starts it, and waits until it answers. */
  start(): Promise<void>;
  /** Stops it with its workers, and removes its folder. */
  remove(): Promise<void>;
}

/** Serves these `server` blocks, one of which listens at `port` of 127.0.0.1. It is not started yet. */
export async function nginxWith(servers: string, port: number): Promise<TestNginx> {
  const folder = await ownFolder('nginx');
  const configuration = join(folder, 'nginx.conf');
  const paths = temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ');
  const http = `http {\n  access_log off;\n  ${paths}\n${servers}\n}`;
  await writeFile(configuration, `pid ${folder}/pid;\nerror_log ${folder}/log;\nevents {}\n${http}\n`);
  let ended: Promise<unknown> | undefined;
  return {
    configuration,
    start: async () => {
      const options = { env, stdio: 'ignore' } as const;
      ended = once(spawn('nginx', ['-c', configuration, '-g', 'daemon off;'], options), 'exit');
      await eventually(() => answersAt(port));
    },
    remove: async () => {
      // A signal to the master alone would leave its workers.
      if (ended) await promisify(execFile)('nginx', ['-c', configuration, '-s', 'stop'], { env });
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function answersAt(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
