import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { execFileSync } from '../../../test/support/sync-programs.js';
import { loadConfig } from '../config.js';
import { GuardedAgents } from './guarded-agent.js';
import { guardedFetch, type GuardedRequest } from './guarded-fetch.js';

const agentsFor = (...allowed: string[]) => new GuardedAgents(loadConfig({ ALLOWED_PRIVATE_HOSTS: allowed.join(',') }));
const open = agentsFor('127.0.0.1');
const closed = agentsFor();
const seen: IncomingMessage[] = [];
let servers: Server[];
let port: number;
let tlsPort: number;

const answer: RequestListener = (request, response) => {
  seen.push(request);
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
  const chunks: Buffer[] = [];
  request
    .on('data', (chunk: Buffer) => chunks.push(chunk))
    .on('end', () => {
      if (pathname === '/to')
        response
          .writeHead(Number(searchParams.get('status') ?? 302), { location: searchParams.get('url') ?? '' })
          .end('moved');
      else if (pathname === '/large') response.end(Buffer.alloc(5000));
      else if (pathname === '/silent') response.writeHead(200).write('…');
      else if (pathname === '/drip') {
        const drip = setInterval(() => response.write('.'), 20);
        response.on('close', () => clearInterval(drip));
      } else if (pathname === '/cut')
        response.writeHead(200, { 'content-length': 10 }).write('1', () => response.destroy());
      else
        response
          .writeHead(pathname === '/missing' ? 404 : 200, { 'x-seen': 'yes' })
          .end(`${request.method} ${Buffer.concat(chunks).toString()}`);
    });
};

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'guarded-'));
  const file = (name: string): string => join(folder, name);
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=x',
      '-keyout',
      file('key'),
      '-out',
      file('cert'),
    ],
    { stdio: 'ignore' },
  );
  const tls = createTlsServer({ key: readFileSync(file('key')), cert: readFileSync(file('cert')) }, answer);
  rmSync(folder, { recursive: true });
  servers = [createServer(answer), tls];
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  [port, tlsPort] = servers.map((server) => (server.address() as AddressInfo).port) as [number, number];
});
afterAll(() => {
  open.onApplicationShutdown();
  for (const server of servers) server.close().closeAllConnections();
});
beforeEach(() => seen.splice(0));

async function fetchText(path: string, request?: GuardedRequest): Promise<string> {
  return (await guardedFetch(open, `http://127.0.0.1:${port}${path}`, request)).body.toString();
}

async function failure(work: Promise<unknown>): Promise<{ fault: string; detail: string }> {
  const { fault, detail } = await work.then(
    () => {
      throw new Error('It worked.');
    },
    (error: { fault: string; detail: string }) => error,
  );
  return { fault, detail };
}

describe('guardedFetch', () => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'sends the body of a %s as its body',
    async (method) => {
      const body = 'ä body';
      for (const part of [body, Buffer.from(body)])
        expect(await fetchText('/', { method, body: part })).toBe(`${method} ${body}`);
      expect(await fetchText('/', { method })).toBe(`${method} `);
    },
  );

  it('brings an answer of any status', async () => {
    const response = await guardedFetch(open, `http://127.0.0.1:${port}/missing`, {
      method: 'POST',
      body: 'in',
      headers: { 'content-type': 'text/plain' },
    });
    expect({
      ...response,
      headers: response.headers['x-seen'],
      body: response.body.toString(),
      url: response.url.pathname,
    }).toEqual({ status: 404, headers: 'yes', body: 'POST in', url: '/missing' });
  });

  it.each([
    'http://127.0.0.1',
    'http://[::1]',
    'http://[::ffff:127.0.0.1]',
    'http://0x7f.1',
    'http://2130706433',
    'http://0',
    'http://localhost',
    'https://127.0.0.1',
  ])('reaches nobody at %s', async (origin) => {
    const { fault, detail } = await failure(
      guardedFetch(closed, `${origin}:${origin.startsWith('https') ? tlsPort : port}/`),
    );
    expect([fault, detail]).toEqual(['misconfigured', expect.stringContaining('ALLOWED_PRIVATE_HOSTS')]);
    expect(seen).toEqual([]);
  });

  it.each(['file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://127.0.0.1/', 'no url'])('takes no %s', async (url) => {
    expect((await failure(guardedFetch(open, url))).fault).toBe('misconfigured');
  });

  it('lets a name that the operator named resolve to anything', async () => {
    const named = agentsFor('localhost');
    expect((await guardedFetch(named, `http://localhost:${port}/`)).status).toBe(200);
    expect((await failure(guardedFetch(named, `http://127.0.0.1:${port}/`))).fault).toBe('misconfigured');
    named.onApplicationShutdown();
  });

  it('connects a name only to those of its addresses that are permitted', async () => {
    expect((await guardedFetch(open, `http://localhost:${port}/`)).status).toBe(200);
  });

  it('checks where a redirect leads', async () => {
    expect(await fetchText('/to?url=/elsewhere')).toBe('GET ');
    for (const url of [
      'http://127.0.0.2/',
      'http://[::1]/',
      'file:///etc/passwd',
      'http://169.254.169.254/latest/meta-data',
    ]) {
      expect((await failure(fetchText(`/to?url=${encodeURIComponent(url)}`))).fault).toBe('misconfigured');
    }
    expect(await failure(fetchText('/to?url=http://'))).toEqual({
      fault: 'misconfigured',
      detail: 'The address is not a URL.',
    });
  });

  it('gives up on endless redirects', async () => {
    expect(
      await failure(
        fetchText(
          '/to?url=%2Fto%3Furl%3D%252Fto%253Furl%253D%25252Fto%25253Furl%25253D%2525252Fto%2525253Furl%2525253D' +
            '%252525252Fto%252525253Furl%252525253D%25252525252Fto%25252525253Furl%25252525253D%2F',
        ),
      ),
    ).toEqual({ fault: 'refused', detail: `127.0.0.1:${port} redirects more than 5 times.` });
    expect(seen).toHaveLength(6);
  });

  it.each<[number, string]>([
    [301, 'GET '],
    [302, 'GET '],
    [303, 'GET '],
    [307, 'POST in'],
    [308, 'POST in'],
  ])('repeats a POST after %i as RFC 9110 says', async (status, text) => {
    expect(await fetchText(`/to?status=${status}&url=/there`, { method: 'POST', body: 'in' })).toBe(text);
  });

  it('keeps everything that may be a credential from another origin', async () => {
    const headers = {
      Authorization: 'Bearer secret',
      cookie: 'secret',
      'X-Vault-Token': 'secret',
      Accept: 'text/plain',
    };
    const both = agentsFor('127.0.0.1', 'localhost');
    await guardedFetch(both, `http://127.0.0.1:${port}/to?url=http://localhost:${port}/`, { headers });
    await guardedFetch(both, `http://127.0.0.1:${port}/to?url=/`, { headers });
    expect(
      seen.map((request) =>
        ['authorization', 'cookie', 'x-vault-token', 'accept'].map((name) => request.headers[name]),
      ),
    ).toEqual([
      ['Bearer secret', 'secret', 'secret', 'text/plain'],
      [undefined, undefined, undefined, 'text/plain'],
      ['Bearer secret', 'secret', 'secret', 'text/plain'],
      ['Bearer secret', 'secret', 'secret', 'text/plain'],
    ]);
    seen.splice(0);
    const login = guardedFetch(both, `http://127.0.0.1:${port}/to?status=307&url=http://localhost:${port}/`, {
      method: 'POST',
      body: 'password',
    });
    expect(await failure(login)).toEqual({
      fault: 'refused',
      detail: `127.0.0.1:${port} redirects a request with a body to localhost:${port}.`,
    });
    expect(seen).toHaveLength(1);
    both.onApplicationShutdown();
  });

  it('bounds size and time', async () => {
    expect((await failure(fetchText('/large', { maxBytes: 4999 }))).fault).toBe('refused');
    expect(await fetchText('/large', { maxBytes: 5000 })).toHaveLength(5000);
    expect(await failure(fetchText('/silent', { timeoutMs: 50 }))).toEqual({
      fault: 'unavailable',
      detail: `127.0.0.1:${port} did not answer in time.`,
    });
  });

  it('ends a body that arrives slowly', async () => {
    expect(await failure(fetchText('/drip', { timeoutMs: 300 }))).toEqual({
      fault: 'unavailable',
      detail: `127.0.0.1:${port} did not answer in time.`,
    });
    // The first request may have ended before the server came to see it.
    seen.splice(0);
    const stop = new AbortController();
    const reading = failure(fetchText('/drip', { signal: stop.signal }));
    while (seen.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    expect((await reading).detail).toContain('was not asked to the end');
  });

  it('stops when told to', async () => {
    expect((await failure(fetchText('/silent', { signal: AbortSignal.abort() }))).detail).toContain(
      'was not asked to the end',
    );
    expect(seen).toEqual([]);
  });

  it('says what failed without the credentials of the URL', async () => {
    expect(await failure(guardedFetch(open, 'http://user:marker@127.0.0.1:1/marker'))).toEqual({
      fault: 'unavailable',
      detail: '127.0.0.1:1 cannot be reached (ECONNREFUSED).',
    });
    expect((await failure(fetchText('/cut'))).fault).toBe('unavailable');
    expect((await failure(guardedFetch(open, 'http://name.invalid/'))).detail).toMatch(
      /^name\.invalid cannot be reached \(E/,
    );
  });

  it('verifies the certificate of a TLS server', async () => {
    expect((await failure(guardedFetch(open, `https://127.0.0.1:${tlsPort}/`))).detail).toContain(
      'DEPTH_ZERO_SELF_SIGNED_CERT',
    );
    expect(seen).toEqual([]);
  });
});

describe('GuardedAgents', () => {
  it('guards whoever uses the agent directly, also with a host that is no URL', async () => {
    for (const host of ['127.0.0.1', '127.1', 'localhost']) {
      const request = get({ host, port, agent: closed.for(new URL('http://x')) });
      const [error] = (await once(request, 'error')) as [Error];
      expect(error.message).toContain('is not on the public internet');
    }
  });

  it('guards bare connections', async () => {
    const { signal } = new AbortController();
    for (const host of ['127.0.0.1', '127.1', 'localhost', '::1', '::ffff:127.0.0.1', '169.254.169.254']) {
      expect((await failure(closed.connect(host, port, signal))).detail).toContain('is not on the public internet');
    }
    const socket = await open.connect('localhost', port, signal);
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
    expect(await failure(open.connect('127.0.0.1', 1, signal))).toEqual({
      fault: 'unavailable',
      detail: '127.0.0.1:1 cannot be reached (ECONNREFUSED).',
    });
    expect((await failure(open.connect('127.0.0.1', port, AbortSignal.abort()))).detail).toContain(
      'did not answer in time',
    );
  });
});
