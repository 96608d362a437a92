import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as a stand-in sees it. `json` is undefined when the body is none. */
export interface Exchange {
  method: string;
  path: string;
  query: URLSearchParams;
  /** The query as it arrived, with its question mark. */
  search: string;
  headers: IncomingMessage['headers'];
  text: string;
  bytes: Buffer;
  json: unknown;
}

/** What a stand-in answers. An object is sent as JSON, text and bytes as they are. */
export interface Reply {
  status: number;
  body?: object | string | Buffer;
  headers?: Record<string, string>;
}

/**
 * What happens to the next request whose `METHOD path` matches: `lose` does the work and breaks the connection,
 * `drop` breaks it before, `hang` never answers, a promise is awaited before it, a
 * reply is sent in place of the work, and a function changes what the work answers.
 */
export interface StandInFault {
  on: RegExp;
  kind: 'lose' | 'drop' | 'hang' | Promise<void> | Reply | ((reply: Reply) => Reply);
}

/** A service in the process of the test. */
export interface StandIn {
  url: string;
  /** `METHOD path` of every request, in order. */
  readonly seen: readonly string[];
  fail(fault: StandInFault): void;
  stop(): Promise<void>;
}

/** `answer` is the service; what it throws is answered as 500. */
export async function startStandIn(answer: (exchange: Exchange) => Reply): Promise<StandIn> {
  const seen: string[] = [];
  const faults: StandInFault[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const exchange = await read(request);
    const line = `${exchange.method} ${exchange.path}`;
    seen.push(line);
    const at = faults.findIndex(({ on }) => on.test(line));
    const kind = at < 0 ? undefined : faults.splice(at, 1)[0]?.kind;
    if (kind === 'hang') return;
    if (kind === 'drop') return void request.socket.destroy();
    if (kind instanceof Promise) await kind;
    const isReply = typeof kind === 'object' && !(kind instanceof Promise);
    const reply = isReply ? kind : answered(answer, exchange);
    if (kind === 'lose') return void request.socket.destroy();
    send(response, typeof kind === 'function' ? kind(reply) : reply);
  };
  // A program that tests wait for holds this process up: connections must not end before the next request is sent.
  const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    handle(request, response).catch(() => request.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    fail: (fault) => {
      faults.push(fault);
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function read(request: IncomingMessage): Promise<Exchange> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString();
  const { pathname, search, searchParams } = new URL(request.url ?? '/', 'http://stand-in');
  const { method = 'GET', headers } = request;
  return { method, path: pathname, query: searchParams, search, headers, text, bytes, json: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function answered(answer: (exchange: Exchange) => Reply, exchange: Exchange): Reply {
  try {
    return answer(exchange);
  } catch (error) {
    return { status: 500, body: String(error), headers: { 'content-type': 'text/plain' } };
  }
}

function send(response: ServerResponse, { status, body, headers = {} }: Reply): void {
  const isJson = typeof body === 'object' && !Buffer.isBuffer(body);
  response.writeHead(status, { ...(isJson && { 'content-type': 'application/json' }), ...headers });
  response.end(isJson ? JSON.stringify(body) : body);
}
