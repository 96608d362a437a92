import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { drainMs, idleTimeoutMs, requestTimeoutMs } from './limits.js';

/** An address to listen on; port 0 takes a free one. */
export interface ListenAddress {
  host: string;
  port: number;
}

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
    await new Promise<void>((resolve, reject) => {
      this.listener.once('error', reject);
      this.listener.listen({ host, port }, () => {
        this.listener.off('error', reject);
        resolve();
      });
    });
    const { port: opened } = this.listener.address() as AddressInfo;
    return `http://${reachable(host)}:${opened}`;
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
