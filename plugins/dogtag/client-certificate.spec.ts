import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DogtagCa } from '../../test/fakes/dogtag-ca.js';
import { openssl } from '../../test/support/bundles.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { startLiveProgram } from '../../test/support/live-program.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { dogtag } from './dogtag.issuer.js';

const passphrase = 'Pkcs12-Passwort-1';
const folder = mkdtempSync(join(tmpdir(), 'dogtag-tls-'));
const at = (name: string): string => join(folder, name);
const agent = `Basic ${Buffer.from('agent:agent-password').toString('base64')}`;
let signing: SigningCa;
let ca: DogtagCa;
let server: Server;

/** A CA, a certificate of it for the server or a client, or one that signed itself; made by openssl. */
function make(name: string, subject: string, more: readonly string[] = []): void {
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
  openssl([...made, '-subj', subject, ...more, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)]);
}
function pkcs12(name: string, more: readonly string[] = []): string {
  const [key, certificate, out] = [at(`${name}.key`), at(`${name}.pem`), at(`${name}.p12`)];
  openssl([
    'pkcs12',
    '-export',
    ...['-inkey', key, '-in', certificate, '-out', out],
    ...['-passout', `pass:${passphrase}`, ...more],
  ]);
  return readFileSync(out).toString('base64');
}

/** The stand-in behind TLS that demands a client certificate of its CA; `/CN=agent` is the agent, as at Dogtag. */
function startTls(): Server {
  const file = (name: string): string => readFileSync(at(name), 'utf8');
  const demands = { requestCert: true, rejectUnauthorized: true };
  const tls = { key: file('server.key'), cert: file('server.pem'), ca: file('tls-ca.pem'), ...demands };
  return createServer(tls, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname: path, search, searchParams: query } = new URL(request.url ?? '/', 'https://ca');
      const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject;
      const headers = { ...request.headers, ...(CN === 'agent' && { authorization: agent }) };
      const bytes = Buffer.concat(chunks);
      const text = bytes.toString();
      const json: unknown = text === '' ? undefined : JSON.parse(text);
      const { method = 'GET' } = request;
      const reply = ca.answer({ method, path, query, search, headers, text, bytes, json });
      const isJson = typeof reply.body === 'object' && !Buffer.isBuffer(reply.body);
      response.writeHead(reply.status, { ...(isJson && { 'content-type': 'application/json' }), ...reply.headers });
      response.end(isJson ? JSON.stringify(reply.body) : reply.body);
    });
  });
}

beforeAll(async () => {
  signing = startSigningCa();
  make('tls-ca', '/CN=TLS CA', ['-addext', 'keyUsage=critical,keyCertSign,cRLSign']);
  const byCa = ['-CA', at('tls-ca.pem'), '-CAkey', at('tls-ca.key')];
  make('server', '/CN=localhost', [...byCa, '-addext', 'subjectAltName=IP:127.0.0.1']);
  make('agent', '/CN=agent', [...byCa, '-addext', 'extendedKeyUsage=clientAuth']);
  make('nobody', '/CN=nobody', [...byCa, '-addext', 'extendedKeyUsage=clientAuth']);
  make('stranger', '/CN=agent', ['-addext', 'extendedKeyUsage=clientAuth']);
  server = startTls();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
beforeEach(() => {
  ca = new DogtagCa(signing);
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  signing.close();
  rmSync(folder, { recursive: true, force: true });
});

const optionsWith = (changed: object) =>
  dogtag.options.parse({
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    profile: 'tlsAuto',
    caCertificates: readFileSync(at('tls-ca.pem'), 'utf8'),
    ...changed,
  });
const order = async (changed: object) =>
  dogtag.order((await requestFor(['www.example.test'], { ca: signing })).order, optionsWith(changed), networkContext());
const tripleDes = ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'];

describe('a Dogtag that demands client certificates', () => {
  it.each([
    ['a PKCS#12', () => ({ clientPkcs12: pkcs12('agent'), clientPkcs12Password: passphrase })],
    ['an older PKCS#12', () => ({ clientPkcs12: pkcs12('agent', tripleDes), clientPkcs12Password: passphrase })],
    [
      'PEM',
      () => ({
        clientCertificate: readFileSync(at('agent.pem'), 'utf8'),
        clientKey: readFileSync(at('agent.key'), 'utf8'),
      }),
    ],
  ])('issues to an agent with %s, who can also revoke', async (_, signIn) => {
    const outcome = await order(signIn());
    if (outcome.status !== 'issued') throw new Error(outcome.status);
    signing.verify(outcome.chainPem);
    const revocation = {
      chainPem: outcome.chainPem,
      reason: 4,
      saveAuthority: (text: string) => Promise.resolve(text),
    };
    await dogtag.revoke?.(revocation, optionsWith(signIn()), networkContext());
    expect(ca.certificates.map(({ status }) => status)).toEqual(['REVOKED']);
    await dogtag.check?.(optionsWith(signIn()), networkContext());
  });

  it.each([
    ['a wrong password of the PKCS#12', () => ({ clientPkcs12: pkcs12('agent'), clientPkcs12Password: 'Wrong-1' })],
    ['no password of the PKCS#12', () => ({ clientPkcs12: pkcs12('agent') })],
    ['a file that is no PKCS#12', () => ({ clientPkcs12: Buffer.from('nothing').toString('base64') })],
    ['the PKCS#12 of nobody', () => ({ clientPkcs12: pkcs12('nobody'), clientPkcs12Password: passphrase })],
    ['a user alone', () => ({ username: 'agent', password: 'agent-password' })],
  ])('says that a person must act with %s, and repeats no secret', async (_, signIn) => {
    const given = signIn();
    const secrets = [
      passphrase,
      'Wrong-1',
      'agent-password',
      'clientPkcs12' in given ? given.clientPkcs12 : passphrase,
    ];
    expect((await failureOf(order(given), secrets)).fault).toBe('misconfigured');
    expect(ca.certificates).toEqual([]);
  });

  it('says that a person must act when the server refuses the handshake because another CA issued it', async () => {
    const files = ['-cert', at('server.pem'), '-key', at('server.key'), '-CAfile', at('tls-ca.pem')];
    const demands = ['-Verify', '2', '-verify_return_error', '-www', '-quiet'];
    const isUp = (port: number): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(true));
        socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
      });
    const args = (port: number): string[] => ['s_server', '-accept', `127.0.0.1:${port}`, ...files, ...demands];
    const strict = await startLiveProgram('openssl', args, isUp);
    try {
      const url = `https://127.0.0.1:${strict.port}`;
      const asked = order({ url, clientPkcs12: pkcs12('stranger'), clientPkcs12Password: passphrase });
      const error = await failureOf(asked, [passphrase]);
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('client certificate')]);
    } finally {
      await strict.stop();
    }
  });
});
