import { spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Found, FoundEndpoint } from '../../src/plugin-api/source.js';
import { openssl, pluginContext, scanned } from '../../test/support/bundles.js';
import { freePort } from '../../test/support/own-server.js';
import { tlsEndpoints } from './tls-endpoints.source.js';

const keys: Record<string, string[]> = {
  rsa: ['-newkey', 'rsa:2048'],
  small: ['-newkey', 'rsa:512', '-md5'],
  ecdsa: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  brainpool: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:brainpoolP256r1'],
  secp256k1: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  ed25519: ['-newkey', 'ed25519'],
  pss: ['-newkey', 'rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'],
};
let folder: string;
const children: ChildProcess[] = [];
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tls-servers-'));
  for (const [name, args] of Object.entries(keys)) {
    const out = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    openssl(['req', '-x509', '-nodes', '-days', '9', '-subj', `/CN=${name}.test`, ...args, ...out]);
  }
  openssl(['dhparam', '-dsaparam', '-out', at('dh512.pem'), '512']);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true }));

async function site(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port });
  await once(socket, 'connect');
  return socket;
}

/** Starts a server on a free port, which is the last of the arguments, and waits until it takes connections. */
async function start(program: string, args: string[]): Promise<number> {
  const port = await freePort();
  const words = program === 'openssl' ? ['s_server', '-quiet', ...args, '-accept', `127.0.0.1:${port}`] : args;
  const child = spawn(program, program === 'openssl' ? words : [...words, '--port', String(port)], { stdio: 'pipe' });
  children.push(child);
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  for (let left = 1_800; ; left -= 1) {
    const answers = await site('127.0.0.1', port).then(
      (socket) => socket.destroy() && true,
      () => false,
    );
    if (answers) return port;
    if (left === 0 || child.exitCode !== null) throw new Error(`${program} does not answer: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const serve = (...args: string[]): Promise<number> => start('openssl', args);
const certificate = (name: string): string[] => ['-cert', at(`${name}.pem`), '-key', at(`${name}.key`)];
const weak = (ciphers = 'ALL'): string[] => ['-cipher', `${ciphers}:@SECLEVEL=0`];

async function scan(port: number): Promise<FoundEndpoint[]> {
  const options = tlsEndpoints.options.parse({ hosts: [`127.0.0.1:${port}`], probeVersions: false });
  const found: Found[] = await scanned(tlsEndpoints, options, pluginContext({ connect: site }));
  return found.map((one) => {
    if (one.kind !== 'endpoint') throw new Error(JSON.stringify(one));
    return one;
  });
}

const shows = ({ chainPem: [leafPem = ''] }: FoundEndpoint): string => new X509Certificate(leafPem).subject;

describe('the certificate of a server is seen', () => {
  it.each<[string, string, string[], string]>([
    ['that demands one of its client, with TLS 1.2', 'rsa', ['-Verify', '1', '-tls1_2'], 'TLSv1.2'],
    ['that demands one of its client, with TLS 1.3', 'rsa', ['-Verify', '1', '-tls1_3'], 'TLSv1.3'],
    ['that demands one of its client, with TLS 1.0', 'rsa', ['-Verify', '1', '-tls1', ...weak()], 'TLSv1'],
    ['that has a key on a Brainpool curve', 'brainpool', ['-tls1_2'], 'TLSv1.2'],
    ['that has a key on a Brainpool curve, and knows TLS 1.3', 'brainpool', [], 'TLSv1.2'],
    ['that has a key on secp256k1', 'secp256k1', ['-tls1_2'], 'TLSv1.2'],
    ['that has a key of Ed25519', 'ed25519', [], 'TLSv1.3'],
    ['that has a key for RSASSA-PSS alone', 'pss', [], 'TLSv1.3'],
    ['that has an RSA key of 512 bits and a signature of MD5', 'small', ['-tls1_2', ...weak('kRSA')], 'TLSv1.2'],
    ['that knows TLS 1.0 alone', 'rsa', ['-tls1', ...weak()], 'TLSv1'],
    ['that knows TLS 1.1 alone', 'rsa', ['-tls1_1', ...weak()], 'TLSv1.1'],
    ['that encrypts nothing', 'rsa', ['-tls1_2', ...weak('eNULL')], 'TLSv1.2'],
  ])('%s', async (_, key, args, protocol) => {
    const found = await scan(await serve(...certificate(key), ...args));
    expect(found.map(shows)).toEqual([`CN=${key}.test`]);
    expect(found).toMatchObject([{ protocol, chainPem: [readFileSync(at(`${key}.pem`), 'utf8')] }]);
  });

  it('that offers Diffie-Hellman of 512 bits', async () => {
    const args = ['-tls1_2', '-dhparam', at('dh512.pem'), ...weak('kDHE')];
    expect((await scan(await serve(...certificate('rsa'), ...args))).map(shows)).toEqual(['CN=rsa.test']);
  });

  it.each(['', ':%NO_EXTENSIONS'])('that knows no secure renegotiation (RFC 5746)%s', async (more) => {
    const priority = `NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION${more}`;
    const files = ['--x509certfile', at('rsa.pem'), '--x509keyfile', at('rsa.key')];
    const port = await start('gnutls-serv', ['--quiet', '--priority', priority, ...files]);
    // A client that requires secure renegotiation proves that this server lacks it.
    expect(() => openssl(['s_client', '-connect', `127.0.0.1:${port}`, '-no_legacy_server_connect'], 'Q\n')).toThrow(
      /unsafe legacy renegotiation disabled/,
    );
    expect((await scan(port)).map(shows)).toEqual(['CN=rsa.test']);
  });
});

describe('a server that sends its chain wrong is seen as it is', () => {
  const issued = (name: string, issuer: string, extension: string): void => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', at(`${name}.key`)];
    openssl(['req', '-new', '-nodes', '-subj', `/CN=${name}.test`, ...key, '-out', at(`${name}.csr`)]);
    writeFileSync(at('ext'), extension);
    const ca = ['-CA', at(`${issuer}.pem`), '-CAkey', at(`${issuer}.key`), '-CAcreateserial', '-extfile', at('ext')];
    openssl(['x509', '-req', '-sha1', '-days', '9', '-in', at(`${name}.csr`), ...ca, '-out', at(`${name}.pem`)]);
  };
  const text = (name: string): string => readFileSync(at(`${name}.pem`), 'utf8');
  beforeAll(() => {
    issued('upper', 'ecdsa', 'basicConstraints=CA:TRUE');
    issued('lower', 'upper', 'basicConstraints=CA:TRUE');
    issued('leaf', 'lower', 'subjectAltName=DNS:leaf.test');
  });

  it.each([
    ['without an intermediate certificate', []],
    ['out of order', ['upper', 'lower']],
    ['with a certificate that does not belong to it', ['rsa', 'lower', 'upper']],
    ['with its root', ['lower', 'upper', 'ecdsa']],
  ])('%s, with a signature of SHA-1', async (_, sent) => {
    writeFileSync(at('sent.pem'), sent.map(text).join(''));
    const chain = sent.length === 0 ? [] : ['-cert_chain', at('sent.pem')];
    const port = await serve(...certificate('leaf'), ...chain, '-cipher', 'ALL:@SECLEVEL=0');
    expect(await scan(port)).toMatchObject([{ chainPem: ['leaf', ...sent].map(text) }]);
  });
});

describe('of a server with an RSA and an ECDSA certificate', () => {
  it.each([
    ['TLS 1.3', 'rsa', 'ecdsa', []],
    ['TLS 1.2', 'rsa', 'ecdsa', ['-tls1_2']],
    ['TLS 1.2 that demands a certificate of its client', 'rsa', 'ecdsa', ['-tls1_2', '-Verify', '1']],
    ['TLS 1.0', 'ecdsa', 'rsa', ['-tls1', ...weak()]],
    ['TLS 1.2 with a Brainpool curve', 'brainpool', 'rsa', ['-tls1_2']],
  ])('both are seen, with %s', async (_, one, other, args) => {
    const second = ['-dcert', at(`${other}.pem`), '-dkey', at(`${other}.key`)];
    const port = await serve(...certificate(one), ...second, ...args);
    const found = await scan(port);
    expect(found.map(shows).sort()).toEqual([`CN=${one}.test`, `CN=${other}.test`].sort());
    const [, beside] = found;
    expect(beside).toMatchObject({ port, dnsName: '127.0.0.1' });
    expect(beside?.externalId).toMatch(/^127\.0\.0\.1:\d+ \((RSA|ECDSA)\)$/);
  });
});
