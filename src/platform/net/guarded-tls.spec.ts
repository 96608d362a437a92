import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, get } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { execFileSync } from '../../../test/support/sync-programs.js';
import type { FetchRequest } from '../../plugin-api/site.js';
import { loadConfig } from '../config.js';
import { GuardedAgents } from './guarded-agent.js';
import { guardedFetch } from './guarded-fetch.js';

/** What the servers saw: who the client was, by its certificate, and what it asked. */
const seen: { client: string | null; text: string }[] = [];
/** What the proxy was asked, with the credentials that it got. */
const proxied: string[] = [];
const agents: GuardedAgents[] = [];
const servers: Server[] = [];
let folder: string;
let port: number;
let otherPort: number;
let plainPort: number;
let proxyPort: number;
let proxyStatus: number;

const pem = (name: string): string => readFileSync(join(folder, name), 'utf8');
const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });

function certify(name: string, extension: string, issuer?: string): void {
  writeFileSync(join(folder, 'cnf'), `[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=${name}\n[v3]\n${extension}\n`);
  const signed = issuer === undefined ? [] : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
  openssl(
    'req',
    '-x509',
    '-config',
    'cnf',
    '-extensions',
    'v3',
    '-days',
    '2',
    ...key,
    '-out',
    `${name}.pem`,
    ...signed,
  );
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

function tlsServer(): Server {
  const tls = { key: pem('server.key'), cert: pem('server.pem'), ca: pem('ca.pem'), requestCert: true };
  return createHttpsServer({ ...tls, rejectUnauthorized: false }, (request, response) => {
    const socket = request.socket as TLSSocket;
    seen.push({
      client: socket.authorized ? String(socket.getPeerCertificate().subject.CN) : null,
      text: `${request.method} ${request.url}`,
    });
    const to = new URL(request.url ?? '', 'https://x').searchParams.get('to');
    if (to === null) response.end('tls');
    else response.writeHead(302, { location: to }).end();
  });
}

/** A forward proxy: tunnels for CONNECT, requests in absolute form for http. It reaches everything at 127.0.0.1. */
function proxyServer(): Server {
  const server = createHttpServer((request, response: ServerResponse) => {
    proxied.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    response.end(`from the proxy for ${request.headers.host}`);
  });
  return server.on('connect', (request, client) => {
    proxied.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    if (proxyStatus !== 200) return client.end(`HTTP/1.1 ${proxyStatus} No\r\n\r\n`);
    const target = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    client.on('error', () => target.destroy());
    return target.on('error', () => client.destroy());
  });
}

function agentsWith(settings: Record<string, string>): GuardedAgents {
  const made = new GuardedAgents(loadConfig(settings));
  agents.push(made);
  return made;
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

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'guarded-tls-'));
  certify('ca', 'basicConstraints=critical,CA:TRUE');
  certify('server', 'subjectAltName=DNS:localhost,DNS:ca.elsewhere.test,IP:127.0.0.1', 'ca');
  certify('client', 'extendedKeyUsage=clientAuth', 'ca');
  port = await listen(tlsServer());
  otherPort = await listen(tlsServer());
  plainPort = await listen(createHttpServer((_, response) => response.end('plain')));
  proxyPort = await listen(proxyServer());
});
afterAll(() => {
  for (const made of agents) made.onApplicationShutdown();
  for (const server of servers) server.close().closeAllConnections();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  seen.splice(0);
  proxied.splice(0);
  proxyStatus = 200;
});

describe('guardedFetch over TLS', () => {
  const open = (): GuardedAgents => agentsWith({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1,localhost' });
  const asClient = (): FetchRequest => ({
    ca: pem('ca.pem'),
    clientCert: pem('client.pem'),
    clientKey: pem('client.key'),
  });

  it('trusts a private CA for the request that names it, and for no other', async () => {
    const shared = open();
    const url = `https://127.0.0.1:${port}/`;
    expect((await guardedFetch(shared, url, { ca: pem('ca.pem') })).body.toString()).toBe('tls');
    expect(await failure(guardedFetch(shared, url))).toEqual({
      fault: 'unavailable',
      detail: expect.stringMatching(/cannot be reached \((SELF_SIGNED_CERT|UNABLE_TO)/),
    });
    expect(seen).toHaveLength(1);
  });

  it('shows a client certificate to the server, and not in the next request without one', async () => {
    const shared = open();
    await guardedFetch(shared, `https://127.0.0.1:${port}/a`, asClient());
    await guardedFetch(shared, `https://127.0.0.1:${port}/b`, { ca: pem('ca.pem') });
    expect(seen).toEqual([
      { client: 'client', text: 'GET /a' },
      { client: null, text: 'GET /b' },
    ]);
  });

  it('takes the client certificate to the same origin and not to another', async () => {
    const shared = open();
    await guardedFetch(shared, `https://127.0.0.1:${port}/?to=/same`, asClient());
    await guardedFetch(shared, `https://127.0.0.1:${port}/?to=https://127.0.0.1:${otherPort}/other`, asClient());
    expect(seen.map(({ client }) => client)).toEqual(['client', 'client', 'client', null]);
  });

  it('follows no redirect to a private address', async () => {
    const strict = agentsWith({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
    const url = `https://127.0.0.1:${port}/?to=https://10.0.0.1/`;
    expect(await failure(guardedFetch(strict, url, asClient()))).toMatchObject({ fault: 'misconfigured' });
  });

  it('says that certificates cannot be used, without showing them', async () => {
    const marker = '-----BEGIN PRIVATE KEY-----\nbWFya2Vy\n-----END PRIVATE KEY-----';
    for (const wrong of [{ clientKey: marker }, { clientCert: pem('ca.pem') }, { clientCert: 'none' }])
      expect(await failure(guardedFetch(open(), `https://127.0.0.1:${port}/`, { ...asClient(), ...wrong }))).toEqual({
        fault: 'misconfigured',
        detail: 'The CA certificates, the client certificate or its private key cannot be used.',
      });
    expect(seen).toEqual([]);
  });
});

describe('guardedFetch through a proxy', () => {
  const proxySettings = (): Record<string, string> => ({
    HTTP_PROXY: `http://user:p%40ss@127.0.0.1:${proxyPort}`,
    HTTPS_PROXY: `http://user:p%40ss@127.0.0.1:${proxyPort}`,
  });
  const basic = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  const elsewhere = (): string => `https://ca.elsewhere.test:${port}/`;

  it('tunnels https to a name that only the proxy can resolve, TLS checked end to end', async () => {
    const through = agentsWith(proxySettings());
    const request = { ca: pem('ca.pem'), clientCert: pem('client.pem'), clientKey: pem('client.key') };
    expect((await guardedFetch(through, elsewhere(), request)).body.toString()).toBe('tls');
    expect(seen).toEqual([{ client: 'client', text: 'GET /' }]);
    expect(proxied).toEqual([`CONNECT ca.elsewhere.test:${port} ${basic}`]);
    expect((await failure(guardedFetch(through, `https://not-in-it.test:${port}/`, request))).detail).toContain(
      'ERR_TLS_CERT_ALTNAME_INVALID',
    );
  });

  it('sends http in absolute form, with the credentials of the proxy to the proxy alone', async () => {
    const through = agentsWith(proxySettings());
    const url = 'http://crl.elsewhere.test/ca.crl?x=1';
    expect((await guardedFetch(through, url)).body.toString()).toBe('from the proxy for crl.elsewhere.test');
    expect(proxied).toEqual([`GET ${url} ${basic}`]);
  });

  it('asks no proxy for private addresses, nor for names that are private here', async () => {
    const through = agentsWith(proxySettings());
    for (const url of [
      `https://127.0.0.1:${port}/`,
      `https://localhost:${port}/`,
      'http://169.254.169.254/',
      'http://localhost/',
    ])
      expect(await failure(guardedFetch(through, url))).toMatchObject({ fault: 'misconfigured' });
    expect(proxied).toEqual([]);
  });

  it.each(['127.0.0.0/8', '127.0.0.1', '*'])('goes past the proxy where NO_PROXY says %s', async (noProxy) => {
    const direct = agentsWith({ ...proxySettings(), NO_PROXY: noProxy, ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
    expect((await guardedFetch(direct, `http://127.0.0.1:${plainPort}/`)).body.toString()).toBe('plain');
    expect((await guardedFetch(direct, `https://127.0.0.1:${port}/`, { ca: pem('ca.pem') })).body.toString()).toBe(
      'tls',
    );
    expect(proxied).toEqual([]);
  });

  it.each(['elsewhere.test', '.elsewhere.test', '*.elsewhere.test', 'ca.elsewhere.test'])(
    'covers subdomains by %s, and no longer name that ends alike',
    async (noProxy) => {
      const direct = agentsWith({ ...proxySettings(), NO_PROXY: noProxy });
      expect((await failure(guardedFetch(direct, elsewhere()))).detail).toMatch(/cannot be reached \(E/);
      expect(proxied).toEqual([]);
      await failure(guardedFetch(direct, `https://notca.notelsewhere.test:${port}/`));
      expect(proxied).toHaveLength(1);
    },
  );

  it.each<[number, string]>([
    [407, 'misconfigured'],
    [403, 'misconfigured'],
    [502, 'unavailable'],
  ])('says what the proxy answered: %i is %s', async (status, fault) => {
    proxyStatus = status;
    expect(await failure(guardedFetch(agentsWith(proxySettings()), elsewhere()))).toEqual({
      fault,
      detail: `The proxy 127.0.0.1:${proxyPort} answered ${status} for ca.elsewhere.test:${port}.`,
    });
  });

  it('says that the proxy is down, without its credentials', async () => {
    const down = agentsWith({ HTTPS_PROXY: 'http://user:marker@127.0.0.1:1' });
    expect(await failure(guardedFetch(down, elsewhere()))).toEqual({
      fault: 'unavailable',
      detail: 'The proxy 127.0.0.1:1 cannot be reached.',
    });
  });

  it('tunnels whatever uses the agent directly', async () => {
    const through = agentsWith(proxySettings());
    const url = new URL(elsewhere());
    const request = get(url, { agent: through.for(url), ca: pem('ca.pem') });
    await once(request, 'response');
    request.destroy();
    expect(proxied).toEqual([`CONNECT ca.elsewhere.test:${port} ${basic}`]);
  });
});
