import { PluginError, type PluginFault } from './errors.js';
import { quotable } from './json-client.js';
import { retryAfterOf } from './retry-after.js';
import type { FetchRequest, Site } from './site.js';

/** One message to a service that takes it at an address. The address may be a secret: no error repeats it. */
export interface ReceiverCall {
  /** Of the service, with which the text of an error begins. */
  name: string;
  url: string;
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body: string;
  connection?: Pick<FetchRequest, 'ca' | 'timeoutMs'>;
  /** What no error text may repeat. */
  secrets: readonly string[];
  /** What the service says is wrong, and who must act where the status alone does not tell. */
  read?(answer: ReceiverAnswer): ReceiverSays | undefined;
}

/** `json` is undefined when the body is none. */
export interface ReceiverAnswer {
  status: number;
  text: string;
  json: unknown;
}

/** Why a message was not taken. What is absent follows from the status. */
export interface ReceiverSays {
  /** The message is taken in spite of the status. */
  isTaken?: true;
  fault?: PluginFault;
  words?: string;
  retryAfterS?: number;
}

/** An answer of a receiver says little that is needed. */
const maxBytes = 64 * 1024;
/** Parts of an address that are so long may be its secret. */
const shortestSecret = 16;

/**
 * Posts a message and demands that it was taken. Throws PluginError for any status but 2xx, and for what `read` says is
 * no success in spite of it: `misconfigured` for 401, 403, 404, 405, 407 and 410, `unavailable` with the wait of
 * `Retry-After` for 408, 425, 429 and 5xx, `refused` for other errors. A redirect may lose the body, so that none
 * counts as taken.
 */
export async function postTo(site: Site, call: ReceiverCall): Promise<ReceiverAnswer> {
  const { url, method = 'POST', headers, body, connection } = call;
  const response = await site.fetch(url, { method, headers, body, maxBytes, ...connection });
  if (response.url.href !== new URL(url).href)
    throw new PluginError('misconfigured', `${call.name} redirects to ${response.url.host}: enter the address there.`);
  const text = response.body.toString('utf8');
  const answer = { status: response.status, text, json: parsed(text) };
  const says = call.read?.(answer);
  const isSuccess = answer.status >= 200 && answer.status < 300 && says?.fault === undefined;
  if (isSuccess || says?.isTaken) return answer;
  const words =
    says?.words === undefined ? '' : quotable(says.words, [...call.secrets, url, ...partsOf(url)]).replace(/\.$/, '');
  throw new PluginError(
    says?.fault ?? faultOf(answer.status),
    `${call.name} answers with status ${answer.status}${words === '' ? '' : `: ${words}`}.`,
    says?.retryAfterS ?? retryAfterOf(response),
  );
}

function partsOf(url: string): string[] {
  const { pathname, searchParams } = new URL(url);
  const parts = [...pathname.split('/'), ...searchParams.values()];
  return parts.flatMap((part) => [part, decoded(part)]).filter(({ length }) => length >= shortestSecret);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function faultOf(status: number): PluginFault {
  if ([401, 403, 404, 405, 407, 410].includes(status)) return 'misconfigured';
  return status >= 400 && status < 500 && ![408, 425, 429].includes(status) ? 'refused' : 'unavailable';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
