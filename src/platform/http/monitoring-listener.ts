import { createServer, type IncomingMessage, type Server } from 'node:http';
import { isIPv6 } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { type ListenAddress, listenAt } from '../net/listening.js';
import { drainMs, idleTimeoutMs, requestTimeoutMs } from './limits.js';

const received = new WeakSet<IncomingMessage>();

/** Whether a request came in through the listener for monitoring, and not at the main address. */
export function isFromMonitoring(request: IncomingMessage): boolean {
  return received.has(request);
}

/**
 * A second address of the same server, for METRICS_LISTEN: same routes, hooks, limits and log. It closes with the
 * server. Make it before the server is ready.
 */
export class MonitoringListener {
  private readonly listener: Server;

  constructor(server: FastifyInstance) {
    this.listener = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
      received.add(request);
      server.routing(request, response);
    });
    this.listener.setTimeout(idleTimeoutMs);
    server.addHook('onClose', () => this.close());
  }

  /** Opens the address and gives its URL. Throws the system's error when it cannot be opened. */
  async listen({ host, port }: ListenAddress): Promise<string> {
    return `http://${reachable(host)}:${await listenAt(this.listener, { host, port })}`;
  }

  private close(): Promise<void> {
    if (!this.listener.listening) return Promise.resolve();
    setTimeout(() => this.listener.closeAllConnections(), drainMs).unref();
    return new Promise((resolve) => this.listener.close(() => resolve()));
  }
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIPv6(host) ? `[${host}]` : host;
}
