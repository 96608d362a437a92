import { once } from 'node:events';
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSecureContext as createContext, createServer, type TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Found, FoundEndpoint } from '../../src/plugin-api/source.js';
import { pluginContext, scanned, startTestAuthority, type TestAuthority } from '../../test/support/bundles.js';
import { tlsEndpoints } from './tls-endpoints.source.js';

let authority: TestAuthority;
const servers: Server[] = [];
const opened: Socket[] = [];
const asked: string[] = [];

async function site(host: string, port: number): Promise<Socket> {
  asked.push(host);
  const socket = connect({ host: host.endsWith('.test') ? '127.0.0.1' : host, port });
  opened.push(socket);
  await once(socket, 'connect').catch((error: Error) => {
    throw new PluginError('unavailable', `${host}:${port} cannot be reached.`, undefined, { cause: error });
  });
  return socket;
}

const context = pluginContext({ connect: site });
const scan = (values: object, ctx = context): Promise<Found[]> =>
  scanned(tlsEndpoints, tlsEndpoints.options.parse(values), ctx);
const placeOf = (found: Found): string => (found.kind === 'endpoint' ? found.externalId : found.location);
const pem = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n/g;
const ciphersOf = (found: Found | undefined) => (found as FoundEndpoint).policy.ciphers;

async function serve(options: TlsOptions): Promise<number> {
  return listen(createServer(options));
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => socket.on('error', () => undefined));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

const material = (name: string): { cert: string; key: string } => {
  const { chainPem, privateKeyPem } = authority.issue(name);
  return { cert: chainPem.join(''), key: privateKeyPem };
};

beforeAll(() => {
  authority = startTestAuthority();
});
afterAll(() => {
  authority.close();
  for (const server of servers) server.close();
});

describe('the source of TLS servers', () => {
  it('records what a server serves, and on what it agrees', async () => {
    const options = material('a.test');
    const port = await serve(options);
    const [found] = await scan({ hosts: ['A.test'], port });
    expect(found).toMatchObject({
      kind: 'endpoint',
      externalId: `a.test:${port}`,
      name: `a.test:${port}`,
      dnsName: 'a.test',
      port,
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
    });
    expect((found as FoundEndpoint).chainPem.join('')).toBe(options.cert);
    expect(ciphersOf(found)).toEqual([
      { name: 'Protocol-TLSv1.2', deprecated: false },
      { name: 'Protocol-TLSv1.3', deprecated: false },
      { name: 'TLS_AES_256_GCM_SHA384', deprecated: false },
    ]);
  });

  it('asks for the name that it looks for', async () => {
    const { cert, key } = material('sni.test');
    const port = await serve({
      ...material('default.test'),
      SNICallback: (name, done) => done(null, name === 'sni.test' ? createContext({ cert, key }) : undefined),
    });
    const hosts = [`sni.test:${port}`, `127.0.0.1:${port}`, `SNI.test@127.0.0.1:${port}`];
    const found = (await scan({ hosts, probeVersions: false })) as FoundEndpoint[];
    const named = (externalId: string) => found.find((one) => one.externalId === externalId);
    expect(named(`sni.test:${port}`)?.chainPem.join('')).toBe(cert);
    expect(named(`127.0.0.1:${port}`)?.chainPem.join('')).not.toBe(cert);
    expect(named(`sni.test@127.0.0.1:${port}`)).toMatchObject({ dnsName: 'sni.test', port, chainPem: cert.match(pem) });
  });

  it('sees old servers too, and what is deprecated about them', async () => {
    const port = await serve({
      ...material('old.test'),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    });
    const [found] = await scan({ hosts: [`127.0.0.1:${port}`] });
    expect(found).toMatchObject({ protocol: 'TLSv1.1' });
    expect(
      ciphersOf(found)
        .filter(({ deprecated }) => deprecated)
        .map(({ name }) => name),
    ).toEqual(['Protocol-TLSv1', 'Protocol-TLSv1.1']);
  });

  it('names servers that do not answer, speak another protocol or never finish, and continues', async () => {
    const silent = await listen(createTcpServer());
    const other = await listen(createTcpServer((socket) => void socket.end('220 mail.test ESMTP\r\n')));
    const good = await serve(material('a.test'));
    const hosts = ['127.0.0.1:1', `127.0.0.1:${silent}`, `127.0.0.1:${other}`, `127.0.0.1:${good}`];
    const found = await scan({ hosts, timeout: 5 });
    expect(found.map((one) => `${one.kind} ${placeOf(one)}`).sort()).toEqual(
      [...hosts.slice(0, 3).map((host) => `trouble ${host}`), `endpoint ${hosts[3]}`].sort(),
    );
    await expect(tlsEndpoints.check?.(tlsEndpoints.options.parse({ hosts, timeout: 5 }), context)).rejects.toThrow(
      /^3 of 4 servers cannot be scanned/,
    );
    expect(opened.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it('scans every address of a network, reports those that answer, and leaves excluded ones alone', async () => {
    const port = await serve(material('a.test'));
    const other = await listen(createTcpServer((socket) => void socket.end('220 mail.test ESMTP\r\n')));
    asked.length = 0;
    const found = await scan({
      hosts: ['127.0.0.0/30'],
      exclude: ['127.0.0.2', '127.0.0.3/32'],
      port,
      ports: [other],
      probeVersions: false,
    });
    // Both servers listen on 127.0.0.1 alone; nothing answers at 127.0.0.0.
    expect(found.map((one) => `${one.kind} ${placeOf(one)}`).sort()).toEqual(
      [`endpoint 127.0.0.1:${port}`, `trouble 127.0.0.1:${other}`].sort(),
    );
    expect(asked.some((host) => ['127.0.0.2', '127.0.0.3'].includes(host))).toBe(false);
  });

  it('reports a network that is closed to it once, and scans the other hosts', async () => {
    const port = await serve(material('a.test'));
    const closed = async (host: string, at: number): Promise<Socket> => {
      if (host.startsWith('10.')) throw new PluginError('misconfigured', `${host} is not on the public internet.`);
      return site(host, at);
    };
    const options = { hosts: ['10.1.2.0/24', `127.0.0.1:${port}`], probeVersions: false, atOnce: 1, perSecond: 5000 };
    const found = await scan(options, pluginContext({ connect: closed }));
    expect(found.map((one) => one.kind)).toEqual(['trouble', 'endpoint']);
    expect(found[0]).toMatchObject({ detail: expect.stringMatching(/^The network 10\.1\.2\.0\/24 is not scanned: /) });
  });

  it('connects to no more servers at once than it may', async () => {
    let [now, most] = [0, 0];
    const counted = async (host: string, at: number): Promise<Socket> => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      throw new PluginError('unavailable', `${host}:${at} cannot be reached.`);
    };
    const options = { hosts: ['127.0.0.0/25'], atOnce: 7, perSecond: 5000 };
    expect(await scan(options, pluginContext({ connect: counted }))).toEqual([]);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(7);
  });

  it.each([
    '10.0.0.0/15',
    '10.0.0.0/33',
    '[2001:db8::/111]:443',
    'a.test/24',
    'ftp://a.test',
    '10.0.0.1@10.0.0.2',
    'https://a.test',
    'a.test:0',
    'a.test:65536',
    '[127.0.0.1]:443',
    'fe80::1',
    '',
    'a b',
    '-a',
  ])('refuses %j as a host', (host) => {
    expect(tlsEndpoints.options.safeParse({ hosts: [host] }).success).toBe(false);
  });

  it.each([
    [{ hosts: ['10.0.0.0/20'] }, null],
    [{ hosts: ['10.0.0.0/20'], ports: [8443] }, /make 8192 servers\. Set "largeScan"/],
    [{ hosts: ['10.0.0.0/20'], ports: [8443], largeScan: true }, null],
    [{ hosts: ['smtp://10.0.0.0/20'], ports: [8443] }, null],
    [{ hosts: ['10.0.0.0/16', '10.1.0.0/16', 'a.test'], largeScan: true }, /may have 131072/],
  ])('demands a confirmation of a large scan, and refuses a larger one: %j', async (values, refusal) => {
    const admitted = tlsEndpoints.admit?.(tlsEndpoints.options.parse(values), context);
    if (refusal === null) await admitted;
    else await expect(admitted).rejects.toThrow(refusal);
  });

  it('looks once at a host that is named twice', async () => {
    const port = await serve(material('a.test'));
    expect(
      await scan({ hosts: [`127.0.0.1:${port}`, '127.0.0.1', '127.0.0.1'], port, probeVersions: false }),
    ).toHaveLength(1);
  });
});
