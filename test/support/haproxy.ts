import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { TestAuthority } from './bundles.js';
import { freePort, ownFolder, type OwnServer, ownServer } from './own-server.js';
import { eventually } from './program.js';

/** Where Debian puts it is not on the PATH of ordinary users. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

/** An HAProxy of this run's own. */
export interface TestHaproxy extends OwnServer {
  /** Ports of the runtime API on 127.0.0.1: as it is, for operators only, and behind TLS with a client certificate. */
  plain: number;
  operator: number;
  secured: number;
  /** Where the files are that its configuration names: `fixed.example.com.pem`, `second.example.com.pem`. */
  certificates: string;
  /** A list with `listed.example.com.pem`. */
  crtList: string;
  /** Answers of the runtime API to one command. */
  ask(command: string): Promise<string>;
  /** The serial number in hex that a client with this server name gets, in lower case. */
  served(name: string): Promise<string>;
}

/**
 * The authority issues the certificates of the proxy, and that of `localhost` for the API behind TLS. The API accepts
 * only clients with a certificate of the same authority.
 */
export async function startHaproxy(authority: TestAuthority): Promise<TestHaproxy> {
  const folder = await ownFolder('haproxy');
  const [plain, operator, secured, tls] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const certificates = join(folder, 'certs');
  const crtList = join(folder, 'crt-list.txt');
  await mkdir(certificates);
  const files = ['fixed', 'second', 'listed'].map((name) => `${name}.example.com`);
  for (const name of [...files, 'localhost'])
    await writeFile(join(certificates, `${name}.pem`), combined(authority.issue(name)));
  await writeFile(join(folder, 'ca.pem'), authority.rootPem);
  await writeFile(crtList, `${join(certificates, 'listed.example.com.pem')}\n`);
  const socket = join(folder, 'cli.sock');
  const demandsClient = `verify required ca-file ${folder}/ca.pem`;
  const api = `bind 127.0.0.1:${secured} ssl crt ${certificates}/localhost.pem ${demandsClient}`;
  const known = ['fixed', 'second'].map((name) => `crt ${certificates}/${name}.example.com.pem`).join(' ');
  await writeFile(
    join(folder, 'haproxy.cfg'),
    [
      'global',
      `  stats socket ipv4@127.0.0.1:${plain} level admin`,
      `  stats socket ipv4@127.0.0.1:${operator} level operator`,
      `  stats socket ${socket} level admin mode 600`,
      'defaults',
      '  mode http',
      '  timeout client 90s',
      '  timeout server 90s',
      '  timeout connect 90s',
      'frontend web',
      `  bind 127.0.0.1:${tls} ssl ${known} crt-list ${crtList}`,
      '  http-request return status 200',
      'listen api',
      '  mode tcp',
      `  ${api}`,
      `  server cli unix@${socket}`,
      '',
    ].join('\n'),
  );
  const ask = (command: string): Promise<string> => asked(plain, command);
  const server = ownServer(
    folder,
    () => spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], { env, stdio: 'ignore' }),
    () => eventually(() => ask('show version').then(Boolean, () => false)),
  );
  await server.start();
  return { ...server, plain, operator, secured, certificates, crtList, ask, served: (name) => served(tls, name) };
}

function combined({ privateKeyPem = '', chainPem }: Bundle): string {
  return [privateKeyPem, ...chainPem].join('');
}

function asked(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connectTcp(port, '127.0.0.1', () => socket.write(`${command}\n`));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

function served(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber.toLowerCase());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
