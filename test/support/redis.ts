import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** A redis-server of this run's own. It keeps nothing on disk: stopping it loses everything. */
export interface TestRedis {
  url: string;
  flush(): Promise<void>;
  /** Ends the server; `start` brings an empty one back at the same address. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Lets the server hang with its connections open, and go on. */
  freeze(): void;
  thaw(): void;
  /** Stops it for good. */
  remove(): Promise<void>;
}

/** Whether the program is on PATH; if not, says once how to get it. */
export function redisIsInstalled(): boolean {
  const found = spawnSync('redis-server', ['--version']).status === 0;
  if (!found) console.warn('Skipped: redis-server is not on PATH (Debian and Ubuntu: apt-get install redis-server).');
  return found;
}

/** Starts a server on a free port of the loopback interface. */
export async function startTestRedis(): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'perennial-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
    await onConnection(url, (redis) => redis.ping());
  };
  const stop = async (): Promise<void> => {
    if (server === undefined) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
    server = undefined;
  };
  await start();
  return {
    url,
    start,
    stop,
    flush: () => onConnection(url, (redis) => redis.flushall()),
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    remove: async () => {
      await stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function onConnection(url: string, command: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: 200, retryStrategy: () => 50 });
  // The server may still be starting; ioredis tries again.
  redis.on('error', () => undefined);
  await command(redis).finally(() => redis.disconnect());
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('No TCP port was given.');
  return address.port;
}
