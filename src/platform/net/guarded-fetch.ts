import { type IncomingMessage, type IncomingHttpHeaders, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { PluginError } from '../../plugin-api/errors.js';
import type { GuardedAgents } from './guarded-agent.js';

const mostRedirects = 5;
const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * One request. The whole exchange, redirects included, ends within `timeoutMs` (10,000) and `maxBytes` of body (1 MiB).
 */
export interface GuardedRequest {
  /** GET unless given. */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: Buffer | string;
  signal?: AbortSignal;
  timeoutMs?: number;
  maxBytes?: number;
}

/** `url` is where the answer came from, after redirects. Any status is an answer. */
export interface GuardedResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  url: URL;
}

interface Hop {
  url: URL;
  method: string;
  headers: Readonly<Record<string, string>>;
  body?: Buffer | string;
}

/**
 * Fetches a URL that a user or a certificate named. Each redirect is checked like the first address; none leads from
 * https to http. Throws PluginError: `misconfigured` for a forbidden address, `refused` for an endless or oversized
 * answer, `unavailable` otherwise.
 */
export async function guardedFetch(
  agents: GuardedAgents,
  url: URL | string,
  request: GuardedRequest = {},
): Promise<GuardedResponse> {
  const { method = 'GET', headers = {}, body, timeoutMs = 10_000, maxBytes = 1_048_576 } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = request.signal ? AbortSignal.any([timeout, request.signal]) : timeout;
  let hop: Hop = { url: parsed(url), method, headers, body };
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

function send(
  agents: GuardedAgents,
  { url, method, headers, body }: Hop,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const options: RequestOptions = { agent: agents.for(url), method, headers, signal };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options);
    request.on('response', resolve).on('error', reject).end(body);
  });
}

/**
 * Where a redirect leads (RFC 9110 §15.4), or null for any other answer. Credentials do not follow to another origin.
 */
function nextHop(hop: Hop, { statusCode = 0, headers: { location } }: IncomingMessage): Hop | null {
  if (!redirects.has(statusCode) || location === undefined) return null;
  const url = parsed(location, hop.url);
  if (hop.url.protocol === 'https:' && url.protocol !== 'https:')
    throw new PluginError('refused', `${hop.url.host} redirects from https to ${url.protocol.slice(0, -1)}.`);
  const toGet = statusCode === 303 ? hop.method !== 'HEAD' : statusCode < 303 && hop.method === 'POST';
  const dropped = new Set([
    ...(url.origin === hop.url.origin ? [] : ['authorization', 'cookie']),
    ...(toGet ? ['content-type', 'content-length'] : []),
  ]);
  const headers = Object.fromEntries(Object.entries(hop.headers).filter(([name]) => !dropped.has(name.toLowerCase())));
  return toGet ? { url, method: 'GET', headers } : { ...hop, url, headers };
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
