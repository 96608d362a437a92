import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server program of this run's own. */
export interface OwnServer {
  start(): Promise<void>;
  /** Kills it; what it kept in memory is lost. */
  stop(): Promise<void>;
  /** Lets it hang with its connections open, and go on. */
  freeze(): void;
  thaw(): void;
  /** Stops it for good, and removes its folder. */
  remove(): Promise<void>;
}

/** A folder for a server's files. */
export function ownFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `perennial-${name}-`));
}

/** `spawn` starts the program, `answers` waits until it does. */
export function ownServer(folder: string, spawn: () => ChildProcess, answers: () => Promise<unknown>): OwnServer {
  let server: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (!server) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
    server = undefined;
  };
  return {
    start: async () => {
      server = spawn();
      await answers();
    },
    stop,
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    remove: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A TCP port of the loopback interface that nobody uses. It lies below those that Linux gives to connections, and to
 * servers that ask for any port: none of them takes it before a server does, or while that server is down.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const listens = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  if (listens) await once(server.close(), 'close');
  return listens;
}

/** A TCP connection, for a context whose plugins may reach this machine. */
export async function connectTo(host: string, port: number): Promise<Socket> {
  const socket = connect(port, host);
  await once(socket, 'connect');
  return socket;
}
