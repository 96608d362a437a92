import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { socketPort } from '../../src/platform/db/postgres-socket.js';
import { pluginContext, scanned, startTestAuthority, type TestAuthority } from '../../test/support/bundles.js';
import { EmbeddedCluster } from '../../test/support/embedded-cluster.js';
import { connectTo, freePort } from '../../test/support/own-server.js';
import { slapdIsInstalled, startSlapd } from '../../test/support/slapd.js';
import { tlsEndpoints } from './tls-endpoints.source.js';

let authority: TestAuthority;
let material: { cert: string; key: string };
const servers: { close(): unknown }[] = [];
const cluster = EmbeddedCluster.forEachTest();

beforeAll(() => {
  authority = startTestAuthority();
  const { chainPem, privateKeyPem } = authority.issue('mail.test');
  material = { cert: chainPem.join(''), key: privateKeyPem };
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => authority.close());

const scan = async (entry: string, timeout = 60): Promise<object[]> => {
  const options = tlsEndpoints.options.parse({ hosts: [entry], timeout, probeVersions: false });
  const found = await scanned(tlsEndpoints, options, pluginContext({ connect: connectTo }));
  return found.map((one) => (one.kind === 'endpoint' ? { type: one.type, chain: one.chainPem.join('') } : { ...one }));
};

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

/** What a server says at first and to each request, in order. TLS begins after the last answer. */
interface Script {
  greeting?: string | Buffer;
  answers: readonly [asked: RegExp, answer: string | Buffer][];
}

const mysqlGreeting = (capabilities: number): Buffer => {
  const body = Buffer.concat([
    Buffer.from('\x0a8.4.0\0', 'latin1'),
    Buffer.alloc(12, 1),
    Buffer.from([0, capabilities & 0xff, capabilities >> 8, 0x2d, 2, 0, 0, 0, 21]),
    Buffer.alloc(10),
    Buffer.from(`${'c'.repeat(12)}\0mysql_native_password\0`),
  ]);
  return Buffer.concat([Buffer.of(body.length, 0, 0, 0), body]);
};
const scripts: Readonly<Record<string, Script>> = {
  imap: {
    greeting: '* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n',
    answers: [[/^(\S+) STARTTLS\r\n$/, '* 0 EXISTS\r\n$1 OK begin TLS\r\n']],
  },
  pop3: { greeting: '+OK ready\r\n', answers: [[/^STLS\r\n$/, '+OK begin TLS\r\n']] },
  mysql: { greeting: mysqlGreeting(0xffff), answers: [[/^ \0\0\x01[^]{32}/, '']] },
  xmpp: {
    answers: [
      [
        /<stream:stream /,
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " +
          "id='1' from='mail.test' version='1.0'><stream:features><starttls " +
          "xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>",
      ],
      [/<starttls[^>]*>/, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
    ],
  },
};

/** IMAP begins with CAPABILITY in OpenSSL, which our client leaves out. */
const capability: [RegExp, string] = [/^(\S+) CAPABILITY\r\n$/, '* CAPABILITY IMAP4rev1 STARTTLS\r\n$1 OK done\r\n'];

function play(socket: Socket, { greeting, answers }: Script): void {
  const left = [...answers];
  socket.on('error', () => undefined);
  if (greeting !== undefined) socket.write(greeting);
  const hear = (bytes: Buffer): void => {
    const text = bytes.toString('latin1');
    const extra = capability[0].exec(text);
    if (extra) return void socket.write(text.replace(...capability));
    const [asked, answer] = left.shift() ?? [/$^/, ''];
    const match = asked.exec(text);
    if (!match) return void socket.destroy();
    if (answer !== '') socket.write(Buffer.isBuffer(answer) ? answer : match[0].replace(asked, answer));
    if (left.length > 0) return;
    socket.off('data', hear).pause();
    // A client that waits for no answer has sent its ClientHello by now.
    socket.unshift(bytes.subarray(match.index + match[0].length));
    new TLSSocket(socket, { isServer: true, ...material }).on('error', () => undefined);
  };
  socket.on('data', hear);
}

const scripted = (script: Script): Promise<number> => listening(createServer((socket) => play(socket, script)));

describe('a server that begins TLS on request is scanned', () => {
  it.each(Object.keys(scripts))('with the protocol %s, as OpenSSL does it', async (protocol) => {
    const port = await scripted(scripts[protocol] as Script);
    expect(await shownToOpenssl(protocol, port)).toContain('CN = mail.test');
    expect(await scan(`${protocol}://mail.test@127.0.0.1:${port}`)).toEqual([{ type: protocol, chain: material.cert }]);
  });

  it('with a real SMTP server', async () => {
    const server = new SMTPServer({ ...material, authOptional: true });
    server.on('error', () => undefined);
    servers.push(server);
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    expect(await scan(`smtp://127.0.0.1:${port}`)).toEqual([{ type: 'smtp', chain: material.cert }]);
  });

  it('with a real PostgreSQL server', async () => {
    const file = { cert: join(cluster.dataDir, 'server.pem'), key: join(cluster.dataDir, 'server.key') };
    writeFileSync(file.cert, material.cert, { mode: 0o600 });
    writeFileSync(file.key, material.key, { mode: 0o600 });
    // An address that no other run uses: the port belongs to the name of the server's socket.
    const address = `127.${[...randomBytes(3)].map((octet) => (octet % 250) + 1).join('.')}`;
    await cluster.start({
      settings: { ssl: 'on', ssl_cert_file: file.cert, ssl_key_file: file.key, listen_addresses: address },
    });
    expect(await scan(`postgres://${address}:${socketPort}`)).toEqual([{ type: 'postgres', chain: material.cert }]);
  });

  it.skipIf(!slapdIsInstalled())('with a real LDAP server', async () => {
    const server = await startSlapd('dn: dc=example,dc=com\nobjectClass: domain\ndc: example\n');
    const port = new URL(server.plainUrl).port;
    try {
      expect(await scan(`ldap://127.0.0.1:${port}`)).toMatchObject([{ type: 'ldap', chain: /BEGIN CERTIFICATE/ }]);
    } finally {
      await server.remove();
    }
  });
});

describe('a server that does not begin TLS is a trouble', () => {
  it.each<[string, string, Script]>([
    ['refuses STARTTLS', 'imap', { greeting: '* OK ready\r\n', answers: [[/^(\S+) /, '$1 BAD unknown\r\n']] }],
    ['refuses STLS', 'pop3', { greeting: '+OK ready\r\n', answers: [[/./, '-ERR unknown\r\n']] }],
    ['says 421 in the place of a greeting', 'smtp', { greeting: '421 busy\r\n', answers: [] }],
    [
      'does not know the extended operation',
      'ldap',
      { answers: [[/./, Buffer.from('300c02010178070a010204000400', 'hex')]] },
    ],
    ['answers N to SSLRequest', 'postgres', { answers: [[/./, 'N']] }],
    ['lacks CLIENT_SSL', 'mysql', { greeting: mysqlGreeting(0xf7ff), answers: [] }],
  ])('when it %s', async (_, protocol, script) => {
    const port = await scripted(script);
    expect(await scan(`${protocol}://127.0.0.1:${port}`)).toEqual([
      {
        kind: 'trouble',
        location: `127.0.0.1:${port}`,
        detail: `127.0.0.1:${port} does not begin TLS in ${protocol} (it does not offer STARTTLS).`,
        unanswered: true,
      },
    ]);
  });

  it.each<[string, string, (socket: Socket) => void, RegExp, number?]>([
    [
      'sends without end',
      'smtp',
      (socket: Socket) => void socket.write('x'.repeat(200_000)),
      /it speaks another protocol/,
    ],
    ['closes the connection', 'imap', (socket: Socket) => void socket.end(), /closed/],
    ['says nothing', 'pop3', () => undefined, /did not answer in time/, 1],
  ])('when it %s', async (_, protocol, act, detail, timeout) => {
    const port = await listening(createServer((socket) => act(socket.on('error', () => undefined))));
    const found = await scan(`${protocol}://127.0.0.1:${port}`, timeout);
    expect(found).toMatchObject([{ detail: expect.stringMatching(detail) }]);
  });
});

/** What `openssl s_client` prints of the server. */
async function shownToOpenssl(protocol: string, port: number): Promise<string> {
  const name = protocol === 'xmpp' ? ['-xmpphost', 'mail.test'] : [];
  const args = ['s_client', '-starttls', protocol, ...name, '-connect', `127.0.0.1:${port}`];
  return new Promise((resolve) => {
    const child = execFile('openssl', args, (_, out) => resolve(out));
    child.stdin?.end('Q\n');
  });
}
