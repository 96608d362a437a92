import { spawn } from 'node:child_process';
import { Redis } from 'ioredis';
import { freePort, ownFolder, type OwnServer, ownServer } from './own-server.js';
import { spawnSync } from './sync-programs.js';

/**
 * A redis-server of this run's own. It keeps nothing on disk: stopping it loses everything, and it comes back at the
 * same address.
 */
export interface TestRedis extends OwnServer {
  url: string;
  flush(): Promise<void>;
}

/** Whether the program is on PATH; if not, says once how to get it. */
export function redisIsInstalled(): boolean {
  const found = spawnSync('redis-server', ['--version']).status === 0;
  if (!found) console.warn('Skipped: redis-server is not on PATH (Debian and Ubuntu: apt-get install redis-server).');
  return found;
}

/** Starts a server on a free port of the loopback interface. */
export async function startTestRedis(): Promise<TestRedis> {
  const dir = await ownFolder('redis');
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const server = ownServer(
    dir,
    () =>
      spawn(
        'redis-server',
        ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'],
        { stdio: 'ignore' },
      ),
    () => onConnection(url, (redis) => redis.ping()),
  );
  await server.start();
  return { url, flush: () => onConnection(url, (redis) => redis.flushall()), ...server };
}

async function onConnection(url: string, command: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1_800, retryStrategy: () => 50 });
  // The server may still be starting; ioredis tries again.
  redis.on('error', () => undefined);
  await command(redis).finally(() => redis.disconnect());
}
