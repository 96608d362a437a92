import type { IncomingMessage } from 'node:http';
import { createSecureContext } from 'node:tls';
import { PluginError } from '../../plugin-api/errors.js';
import type { FetchRequest, FetchResponse } from '../../plugin-api/site.js';
import type { GuardedAgents } from './guarded-agent.js';

const mostRedirects = 5;
const redirects = new Set([301, 302, 303, 307, 308]);

/** The headers that a redirect may take to another origin; any other may be a credential. */
const impersonal = new Set(['accept', 'accept-language', 'content-type', 'content-length', 'user-agent']);

/** A request that `signal` ends too. */
export interface GuardedRequest extends FetchRequest {
  signal?: AbortSignal;
}

interface Hop {
  url: URL;
  method: string;
  headers: Readonly<Record<string, string>>;
  body?: Buffer | string;
  /** As node:tls takes them. */
  tls: { ca?: string; cert?: string; key?: string; pfx?: Buffer; passphrase?: string };
}

/** Fetches a URL that a user or a certificate named. See `Site.fetch`. */
export async function guardedFetch(
  agents: GuardedAgents,
  url: URL | string,
  request: GuardedRequest = {},
): Promise<FetchResponse> {
  const { method = 'GET', headers = {}, body, timeoutMs = 10_000, maxBytes = 1_048_576 } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = request.signal ? AbortSignal.any([timeout, request.signal]) : timeout;
  let hop: Hop = { url: parsed(url), method, headers, body, tls: tlsOf(request) };
  try {
    for (let count = 0; count <= mostRedirects; count += 1) {
      const response = await send(agents, hop, signal);
      const next = nextHop(hop, response);
      if (!next)
        return {
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: await read(response, maxBytes),
          url: hop.url,
        };
      response.destroy();
      hop = next;
    }
  } catch (error) {
    throw asPluginError(error, hop.url, { timeout, stop: request.signal });
  }
  throw new PluginError('refused', `${hop.url.host} redirects more than ${mostRedirects} times.`);
}

async function send(
  agents: GuardedAgents,
  { url, method, headers, body, tls }: Hop,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const request = await agents.request(url, { method, headers, signal, ...tls });
  // Node sends the body of a DELETE or GET without its length; a server takes it for the next request then.
  if (body !== undefined) request.setHeader('content-length', Buffer.byteLength(body));
  return new Promise((resolve, reject) => {
    request.on('response', resolve).on('error', reject).end(body);
  });
}

/** Throws PluginError `misconfigured` for what TLS cannot use. */
function tlsOf({ ca, clientCert: cert, clientKey: key, clientPkcs12 }: FetchRequest): Hop['tls'] {
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(clientPkcs12 && { pfx: clientPkcs12.der, passphrase: clientPkcs12.passphrase }),
  };
  try {
    if (Object.keys(tls).length > 0) createSecureContext(tls);
    return tls;
  } catch (error) {
    throw new PluginError(
      'misconfigured',
      'The CA certificates, the client certificate or its private key cannot be used.',
      undefined,
      { cause: error },
    );
  }
}

/**
 * Where a redirect leads (RFC 9110 §15.4), or null for any other answer. Neither headers that may be credentials nor
 * the client certificate follow to another origin; a body, which may hold a password, is not sent there at all.
 */
function nextHop(hop: Hop, { statusCode = 0, headers: { location } }: IncomingMessage): Hop | null {
  if (!redirects.has(statusCode) || location === undefined) return null;
  const url = parsed(location, hop.url);
  if (hop.url.protocol === 'https:' && url.protocol !== 'https:')
    throw new PluginError('refused', `${hop.url.host} redirects from https to ${url.protocol.slice(0, -1)}.`);
  const toGet = statusCode === 303 ? hop.method !== 'HEAD' : statusCode < 303 && hop.method === 'POST';
  const stays = url.origin === hop.url.origin;
  if (!stays && !toGet && hop.body !== undefined)
    throw new PluginError('refused', `${hop.url.host} redirects a request with a body to ${url.host}.`);
  const follows = (name: string): boolean =>
    (stays || impersonal.has(name)) && !(toGet && (name === 'content-type' || name === 'content-length'));
  const headers = Object.fromEntries(Object.entries(hop.headers).filter(([name]) => follows(name.toLowerCase())));
  const tls = stays ? hop.tls : { ca: hop.tls.ca };
  return toGet ? { url, method: 'GET', headers, tls } : { ...hop, url, headers, tls };
}

async function read(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new PluginError('refused', `The answer is larger than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parsed(text: URL | string, base?: URL): URL {
  if (URL.canParse(String(text), base?.href)) return new URL(text, base);
  throw new PluginError('misconfigured', 'The address is not a URL.');
}

/** Names the host alone: a URL can hold credentials. */
function asPluginError(
  error: unknown,
  { host }: URL,
  { timeout, stop }: { timeout: AbortSignal; stop?: AbortSignal },
): PluginError {
  if (error instanceof PluginError) return error;
  const { code, name } = error as NodeJS.ErrnoException;
  const words = stop?.aborted
    ? 'was not asked to the end'
    : timeout.aborted
      ? 'did not answer in time'
      : `cannot be reached (${code ?? name})`;
  return new PluginError('unavailable', `${host} ${words}.`, undefined, { cause: error });
}
