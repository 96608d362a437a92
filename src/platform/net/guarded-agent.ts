import { type LookupOptions, lookup as systemLookup } from 'node:dns';
import { lookup } from 'node:dns/promises';
import {
  Agent as HttpAgent,
  type ClientRequest,
  type ClientRequestArgs,
  request as httpRequest,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { connect, isIP, isIPv6, type LookupFunction, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import { Config } from '../config.js';
import { AddressGuard, plainName } from './address-guard.js';
import { Proxies, requestTo, tunnelThrough } from './proxy.js';

type Connected = (error: Error | null, stream: Duplex) => void;

/**
 * Connections on which the guard has the last word: it checks the very address that is connected to, so no second
 * answer of the name server can move it.
 */
@Injectable()
export class GuardedAgents {
  private readonly guard: AddressGuard;
  private readonly proxies: Proxies;
  private readonly http: HttpAgent;
  private readonly https: HttpsAgent;

  constructor(config: Config) {
    this.guard = new AddressGuard(config.allowedPrivateHosts);
    this.proxies = new Proxies(config);
    this.http = new GuardedHttpAgent(this.guard, this.proxies);
    this.https = new GuardedHttpsAgent(this.guard, this.proxies);
  }

  /**
   * Starts a request. Through a proxy, http goes in absolute form (RFC 9112 §3.2.2) and https in a tunnel. Throws
   * PluginError as `for`, and `misconfigured` for a forbidden address.
   */
  async request(url: URL, options: RequestOptions): Promise<ClientRequest> {
    const agent = this.for(url);
    if (url.protocol === 'https:') return httpsRequest(url, { ...options, agent });
    const proxy = this.proxies.for(url.protocol, url.hostname);
    if (proxy === null) return httpRequest(url, { ...options, agent });
    await demandPermitted(this.guard, plainName(url.hostname));
    const { host, username, password, pathname, search } = url;
    return requestTo(proxy, {
      ...options,
      path: `http://${host}${pathname}${search}`,
      headers: { host, ...(options.headers as Record<string, string> | undefined) },
      ...(username !== '' && { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` }),
    });
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
   * A bare TCP connection past every proxy, which the caller closes. Throws PluginError `misconfigured` for a
   * forbidden address, `unavailable` otherwise.
   */
  connect(host: string, port: number, signal: AbortSignal): Promise<Socket> {
    if (isIP(host) !== 0 && !this.guard.permits(host)) return Promise.reject(refusal(host));
    return opened({ host, port, lookup: guardedLookup(this.guard) }, signal);
  }

  /**
   * As `connect`, to each address of a host that may be connected to. Throws PluginError `misconfigured` when there is
   * none, `unavailable` when the name cannot be resolved.
   */
  async connectEach(
    host: string,
    port: number,
    signal: AbortSignal,
  ): Promise<{ address: string; connected: Promise<Socket> }[]> {
    const found = isIP(host) === 0 ? await this.resolve(host, port, signal) : [host];
    const permitted = this.guard.trusts(host) ? found : found.filter((address) => this.guard.permits(address));
    if (permitted.length === 0) throw refusal(host);
    return permitted.map((address) => ({ address, connected: opened({ host: address, port }, signal) }));
  }

  private async resolve(host: string, port: number, signal: AbortSignal): Promise<string[]> {
    try {
      return [...new Set((await lookup(host, { all: true })).map(({ address }) => address))];
    } catch (error) {
      throw unreachable(host, port, signal, error);
    }
  }

  /** Closes idle and running connections. */
  onApplicationShutdown(): void {
    this.http.destroy();
    this.https.destroy();
  }
}

/** A socket that is connected. Throws PluginError. */
function opened(target: { host: string; port: number; lookup?: LookupFunction }, signal: AbortSignal): Promise<Socket> {
  const { host, port } = target;
  // A conversation of small messages would wait for the acknowledgement of each.
  const socket = connect({ ...target, noDelay: true });
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

class GuardedHttpAgent extends HttpAgent {
  constructor(
    private readonly guard: AddressGuard,
    private readonly proxies: Proxies,
  ) {
    super(agentOptions(guard));
  }

  override createConnection(options: ClientRequestArgs, connected: Connected): Duplex | null | undefined {
    if (refusedLiteral(this.guard, options, connected)) return undefined;
    const proxy = proxyFor('http:', options, this.proxies);
    if (proxy === null) return super.createConnection(options, connected);
    tunnel(this.guard, proxy, options).then((stream) => connected(null, stream), failing(connected));
    return undefined;
  }
}

class GuardedHttpsAgent extends HttpsAgent {
  constructor(
    private readonly guard: AddressGuard,
    private readonly proxies: Proxies,
  ) {
    super(agentOptions(guard));
  }

  override createConnection(options: ClientRequestArgs, connected: Connected): Duplex | null | undefined {
    if (refusedLiteral(this.guard, options, connected)) return undefined;
    const proxy = proxyFor('https:', options, this.proxies);
    if (proxy === null) return super.createConnection(options, connected);
    tunnel(this.guard, proxy, options)
      .then((socket) => connected(null, super.createConnection({ ...options, socket } as ClientRequestArgs) as Duplex))
      .catch(failing(connected));
    return undefined;
  }
}

function proxyFor(protocol: string, { host, socketPath }: ClientRequestArgs, proxies: Proxies): URL | null {
  return socketPath ? null : proxies.for(protocol, host ?? 'localhost');
}

async function tunnel(guard: AddressGuard, proxy: URL, { host, port }: ClientRequestArgs): Promise<Duplex> {
  const name = host ?? 'localhost';
  await demandPermitted(guard, name);
  return tunnelThrough(proxy, name, port ?? 443);
}

function failing(connected: Connected): (error: unknown) => void {
  return (error) => (connected as (error: Error) => void)(error as Error);
}

/**
 * For a host that a proxy will look up. An address is checked; so is a name that this machine can resolve. Any other
 * name is left to the proxy.
 */
async function demandPermitted(guard: AddressGuard, host: string): Promise<void> {
  if (guard.trusts(host)) return;
  const found = isIP(host) === 0 ? await lookup(host, { all: true }).catch(() => []) : [{ address: host }];
  if (found.some(({ address }) => !guard.permits(address))) throw refusal(host);
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

/**
 * What the system says when this machine has no route to an address, or no address of its family. Not EHOSTUNREACH:
 * that is also said of a host that is down.
 */
const noRoute = ['ENETUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/** True for a failed connection to an address to which this machine has no route. */
export function hasNoRoute({ cause }: PluginError): boolean {
  return noRoute.includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
}

function unreachable(host: string, port: number, signal: AbortSignal, cause: unknown): PluginError {
  const words = signal.aborted
    ? 'did not answer in time'
    : `cannot be reached (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`;
  return new PluginError('unavailable', `${isIPv6(host) ? `[${host}]` : host}:${port} ${words}.`, undefined, { cause });
}
