import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** An order as the CA has it. `chainPem`, leaf first: what it issued for it, once. */
export interface RemoteOrder {
  ref: string;
  key: string;
  cancelled: boolean;
  chainPem: string[] | null;
}

/**
 * A CA in the process of the test, which outlives the program that asks it. It answers late, loses answers, and takes
 * every order that it gets, also a second one for the same request. remote-ca.issuer.ts is the plugin for it.
 */
export interface RemoteCa {
  readonly url: string;
  readonly orders: readonly RemoteOrder[];
  /** Serial numbers, hex. */
  readonly revoked: ReadonlySet<string>;
  /** From now on it answers at once, and loses nothing. */
  settle(): void;
  stop(): Promise<void>;
}

interface Call {
  method: string;
  path: string;
  key: string | null;
  body: { key?: string; chainPem?: string[]; serialHex?: string };
}

/** `random` gives numbers from 0 to 1. */
export async function startRemoteCa(random: () => number): Promise<RemoteCa> {
  const orders: RemoteOrder[] = [];
  const revoked = new Set<string>();
  let isSettled = false;

  const answer = ({ method, path, key, body }: Call): unknown => {
    if (method === 'POST' && path === '/orders') {
      const order = { ref: `order-${orders.length + 1}`, key: body.key ?? '', cancelled: false, chainPem: null };
      orders.push(order);
      return order;
    }
    if (path === '/orders') return orders.find((one) => one.key === key) ?? null;
    if (path === '/revocations') return revoked.add(body.serialHex ?? '').size;
    const order = orders.find(({ ref }) => path === `/orders/${ref}`);
    if (!order) return null;
    if (method === 'DELETE') order.cancelled = true;
    if (method === 'PUT') order.chainPem ??= body.chainPem ?? [];
    return order;
  };

  const server = createServer((request, response) => void handle(request, response));
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '/', 'http://ca');
    const text = Buffer.concat(chunks).toString();
    const fate = isSettled ? 1 : random();
    if (fate < 0.1) return void response.writeHead(503).end();
    const said = answer({
      method: request.method ?? 'GET',
      path: url.pathname,
      key: url.searchParams.get('key'),
      body: text === '' ? {} : (JSON.parse(text) as Call['body']),
    });
    if (fate < 0.25) return void request.socket.destroy();
    if (fate < 0.6) await sleep(random() * 1_000);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said));
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    orders,
    revoked,
    settle: () => {
      isSettled = true;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
