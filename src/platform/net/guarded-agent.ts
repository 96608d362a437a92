import { type LookupOptions, lookup as systemLookup } from 'node:dns';
import { Agent as HttpAgent, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import { Config } from '../config.js';
import { AddressGuard } from './address-guard.js';

type Connected = (error: Error | null, stream: Duplex) => void;

/**
 * Connections on which the guard has the last word: it checks the very address that is connected to, so no second
 * answer of the name server can move it.
 */
@Injectable()
export class GuardedAgents {
  private readonly guard: AddressGuard;
  private readonly http: HttpAgent;
  private readonly https: HttpsAgent;

  constructor(config: Config) {
    this.guard = new AddressGuard(config.allowedPrivateHosts);
    this.http = new GuardedHttpAgent(this.guard);
    this.https = new GuardedHttpsAgent(this.guard);
  }

  /**
   * The agent for a URL; TLS certificates are verified as usual. Throws PluginError for schemes other than http and
   * https.
   */
  for(url: URL): HttpAgent {
    if (url.protocol === 'https:') return this.https;
    if (url.protocol === 'http:') return this.http;
    throw new PluginError(
      'misconfigured',
      `Only http and https addresses can be used, not ${url.protocol.slice(0, -1)}.`,
    );
  }

  /**
   * A bare TCP connection, which the caller closes. Throws PluginError `misconfigured` for a forbidden address,
   * `unavailable` otherwise.
   */
  connect(host: string, port: number, signal: AbortSignal): Promise<Socket> {
    if (isIP(host) !== 0 && !this.guard.permits(host)) return Promise.reject(refusal(host));
    const socket = connect({ host, port, lookup: guardedLookup(this.guard) });
    return new Promise((resolve, reject) => {
      const end = (error: unknown): void => {
        socket.destroy();
        reject(error instanceof PluginError ? error : unreachable(host, port, signal, error));
      };
      const stop = (): void => end(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      socket.once('error', end).once('connect', () => {
        signal.removeEventListener('abort', stop);
        socket.off('error', end);
        resolve(socket);
      });
      if (signal.aborted) stop();
    });
  }

  /** Closes idle and running connections. */
  onApplicationShutdown(): void {
    this.http.destroy();
    this.https.destroy();
  }
}

class GuardedHttpAgent extends HttpAgent {
  constructor(private readonly guard: AddressGuard) {
    super(agentOptions(guard));
  }

  override createConnection(options: ClientRequestArgs, connected: Connected): Duplex | null | undefined {
    return refusedLiteral(this.guard, options, connected) ? undefined : super.createConnection(options, connected);
  }
}

class GuardedHttpsAgent extends HttpsAgent {
  constructor(private readonly guard: AddressGuard) {
    super(agentOptions(guard));
  }

  override createConnection(options: ClientRequestArgs, connected: Connected): Duplex | null | undefined {
    return refusedLiteral(this.guard, options, connected) ? undefined : super.createConnection(options, connected);
  }
}

function agentOptions(guard: AddressGuard): { keepAlive: boolean; lookup: LookupFunction } {
  return { keepAlive: true, lookup: guardedLookup(guard) };
}

/**
 * An address that stands in the URL itself is never looked up, so it is checked here. Tells `connected` when it is
 * refused.
 */
function refusedLiteral(guard: AddressGuard, { host, socketPath }: ClientRequestArgs, connected: Connected): boolean {
  const address = host ?? 'localhost';
  if (!socketPath && (isIP(address) === 0 || guard.permits(address))) return false;
  (connected as (error: Error) => void)(refusal(address));
  return true;
}

/** A lookup that gives only addresses which may be connected to. */
function guardedLookup(guard: AddressGuard): LookupFunction {
  return (host, options: LookupOptions, callback) => {
    systemLookup(host, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const permitted = guard.trusts(host) ? found : found.filter(({ address }) => guard.permits(address));
      const [first] = permitted;
      if (!first) return callback(refusal(host), []);
      return options.all ? callback(null, permitted) : callback(null, first.address, first.family);
    });
  };
}

/** Does not say what the name resolved to: the person who asks need not know the inside of the network. */
function refusal(host: string): PluginError {
  return new PluginError(
    'misconfigured',
    `${host} is not on the public internet. Whoever runs this installation can open it with ALLOWED_PRIVATE_HOSTS.`,
  );
}

function unreachable(host: string, port: number, signal: AbortSignal, cause: unknown): PluginError {
  const words = signal.aborted
    ? 'did not answer in time'
    : `cannot be reached (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`;
  return new PluginError('unavailable', `${host}:${port} ${words}.`, undefined, { cause });
}
