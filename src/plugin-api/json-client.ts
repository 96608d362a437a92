import type { z } from 'zod';
import { PluginError, type PluginFault } from './errors.js';
import { retryAfterOf } from './retry-after.js';
import type { FetchRequest, FetchResponse, Site } from './site.js';

/** A service that is asked in JSON over HTTP. */
export interface JsonService {
  /** Its name, with which the text of an error begins. */
  name: string;
  /** What stands before every path. */
  baseUrl: string;
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>;
  /** How the connection is made. */
  connection: Pick<FetchRequest, 'ca' | 'clientCert' | 'clientKey' | 'timeoutMs'>;
  /** What no error text may repeat, e.g. a password that the service quotes. */
  secrets: readonly string[];
  /** The words of an error body for people; undefined when it holds none. */
  wordsOf(body: unknown): string | undefined;
}

/** One request. `json`, `form` or `raw` is the body; a member of `query` that is undefined is left out. */
export interface JsonCall {
  /** GET, or POST when there is a body, unless given. */
  method?: string;
  /** Starts with a slash; its variable parts are percent-encoded. */
  path: string;
  query?: Readonly<Record<string, string | number | undefined>>;
  headers?: Readonly<Record<string, string>>;
  json?: unknown;
  form?: Readonly<Record<string, string>>;
  raw?: { type: string; bytes: Buffer };
  maxBytes?: number;
}

/** An answer with an error status, without secrets. `body` is the JSON of its text; undefined when it is none. */
export class HttpFailure extends PluginError {
  constructor(
    fault: PluginFault,
    detail: string,
    readonly answer: { status: number; text: string; body: unknown; retryAfterS?: number },
  ) {
    super(fault, detail, answer.retryAfterS);
  }
}

/**
 * Asks a service that speaks JSON. Every method throws PluginError, HttpFailure for an error status: `misconfigured`
 * for 401, 403 and 407, `unavailable` for 408, 425, 429, 5xx and whatever is not JSON (a proxy or a maintenance page
 * speaks, not the service), `refused` for other errors.
 */
export class JsonClient {
  constructor(
    private readonly site: Site,
    readonly service: JsonService,
  ) {}

  /** The answer in this shape. `unavailable` when it has another. */
  async json<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    const answer = await this.send(call);
    const read = shape.safeParse(jsonOf(answer));
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    const where = issue && issue.path.length > 0 ? ` (${issue.path.join('.')})` : '';
    throw new PluginError(
      'unavailable',
      this.says(`answers something else than was expected${where}: ${kindOf(answer)}`),
    );
  }

  /** The answer as it is, with a status from 200 to 299. */
  async send(call: JsonCall): Promise<FetchResponse> {
    const { headers, connection } = this.service;
    const body = bodyOf(call);
    const answer = await this.site.fetch(this.urlOf(call), {
      method: call.method ?? (body ? 'POST' : 'GET'),
      headers: { accept: 'application/json', ...headers, ...(body && { 'content-type': body.type }), ...call.headers },
      ...(body && { body: body.bytes }),
      ...(call.maxBytes !== undefined && { maxBytes: call.maxBytes }),
      ...connection,
    });
    if (answer.status < 200 || answer.status > 299) throw this.failure(answer);
    return answer;
  }

  private urlOf({ path, query = {} }: JsonCall): URL {
    const text = this.service.baseUrl.replace(/\/+$/, '') + path;
    if (!URL.canParse(text)) throw new PluginError('misconfigured', this.says('has an address that is not a URL'));
    const url = new URL(text);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    return url;
  }

  private failure(answer: FetchResponse): HttpFailure {
    const { status } = answer;
    const text = withoutSecrets(answer.body.toString('utf8'), this.service.secrets);
    const body = parsed(text);
    const words = body === undefined ? kindOf(answer) : this.service.wordsOf(body);
    const retryAfterS = retryAfterOf(answer);
    const detail = this.says(`answers with status ${status}${words ? `: ${words}` : ''}`);
    return new HttpFailure(faultOf(status, body !== undefined), detail, {
      status,
      text,
      body,
      ...(retryAfterS !== undefined && { retryAfterS }),
    });
  }

  private says(words: string): string {
    return `${this.service.name} ${quotable(words, this.service.secrets).replace(/\.$/, '')}.`;
  }
}

/** Text of another system on one line, at most 300 characters, without PEM and without `secrets`. */
export function quotable(text: string, secrets: readonly string[]): string {
  return withoutSecrets(text, secrets)
    .replace(/-----BEGIN[\s\S]*/, '***')
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, 300);
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.filter((value) => value !== '').reduce((rest, value) => rest.replaceAll(value, '***'), text);
}

function faultOf(status: number, isJson: boolean): PluginFault {
  if (status === 401 || status === 403 || status === 407) return 'misconfigured';
  if (!isJson || status >= 500 || [408, 425, 429].includes(status)) return 'unavailable';
  return 'refused';
}

function bodyOf({ json, form, raw }: JsonCall): { type: string; bytes: Buffer | string } | undefined {
  if (raw) return raw;
  if (form) return { type: 'application/x-www-form-urlencoded', bytes: new URLSearchParams(form).toString() };
  return json === undefined ? undefined : { type: 'application/json', bytes: JSON.stringify(json) };
}

function jsonOf({ body }: FetchResponse): unknown {
  return parsed(body.toString('utf8'));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function kindOf(answer: FetchResponse): string {
  if (answer.body.length === 0) return 'it is empty';
  return jsonOf(answer) === undefined
    ? `it is no JSON but ${answer.headers['content-type'] ?? 'of no type'}`
    : 'it is JSON';
}
