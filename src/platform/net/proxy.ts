import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type BlockList, isIP, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { PluginError } from '../../plugin-api/errors.js';
import type { Config } from '../config.js';
import { blockList, isAddressOrNetwork, plainName } from './address-guard.js';

const tunnelTimeoutMs = 10_000;

/** The proxies through which requests leave this installation (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`). */
export class Proxies {
  private readonly http: URL | null;
  private readonly https: URL | null;
  private readonly directNames: readonly string[];
  private readonly directNetworks: BlockList;

  constructor({ httpProxy, httpsProxy, noProxy }: Pick<Config, 'httpProxy' | 'httpsProxy' | 'noProxy'>) {
    this.http = httpProxy === undefined ? null : new URL(httpProxy);
    this.https = httpsProxy === undefined ? null : new URL(httpsProxy);
    this.directNames = noProxy
      .filter((entry) => !isAddressOrNetwork(entry))
      .map((entry) => plainName(entry.replace(/^\*?\./, '')));
    this.directNetworks = blockList(noProxy.filter(isAddressOrNetwork));
  }

  /**
   * The proxy for a scheme and a host (a name or an address); null: none. A name of `NO_PROXY` covers its subdomains.
   */
  for(protocol: string, host: string): URL | null {
    const proxy = protocol === 'https:' ? this.https : this.http;
    return proxy === null || this.isDirect(plainName(host)) ? null : proxy;
  }

  private isDirect(host: string): boolean {
    if (isIP(host) !== 0 && this.directNetworks.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')) return true;
    return this.directNames.some((name) => name === '*' || host === name || host.endsWith(`.${name}`));
  }
}

/** Starts a request to a proxy, with the credentials of its URL. The proxy is the operator's and is not guarded. */
export function requestTo(proxy: URL, { headers, ...options }: RequestOptions): ClientRequest {
  const { username, password } = proxy;
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
    ...options,
    host: plainName(proxy.hostname),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    agent: false,
    headers: { ...headers, ...(username !== '' && { 'proxy-authorization': `Basic ${credentials}` }) },
  });
}

/**
 * A connection to `host:port` through the proxy (CONNECT, RFC 9110 §9.3.6). Throws PluginError: `misconfigured` when
 * the proxy forbids it or wants other credentials, `unavailable` otherwise.
 */
export async function tunnelThrough(proxy: URL, host: string, port: number | string): Promise<Duplex> {
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const request = requestTo(proxy, { method: 'CONNECT', path: authority, headers: { host: authority } });
  request.setTimeout(tunnelTimeoutMs, () => request.destroy(new Error('timeout')));
  request.end();
  let answer: [IncomingMessage, Duplex];
  try {
    answer = (await once(request, 'connect')) as [IncomingMessage, Duplex];
  } catch (error) {
    throw new PluginError('unavailable', `The proxy ${proxy.host} cannot be reached.`, undefined, { cause: error });
  }
  request.setTimeout(0);
  const [{ statusCode = 0 }, socket] = answer;
  if (statusCode === 200) return socket;
  request.destroy();
  throw new PluginError(
    [401, 403, 407].includes(statusCode) ? 'misconfigured' : 'unavailable',
    `The proxy ${proxy.host} answered ${statusCode} for ${authority}.`,
  );
}
