import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from './sync-programs.js';

/** How the responder of an OpensslCa answers: by which certificate, and until when. */
export interface OcspMode {
  signer: 'ca' | 'delegate' | 'stranger' | 'without-eku';
  days?: number;
}

/**
 * A CA as `openssl ca` runs it, with its database of what it issued, and an HTTP server on 127.0.0.1 that serves its
 * CRLs and lets `openssl ocsp` answer. `/silent` never answers, and `/requests` are counted.
 */
export class OpensslCa {
  readonly folder = mkdtempSync(join(tmpdir(), 'openssl-ca-'));
  readonly requests: string[] = [];
  readonly files = new Map<string, Buffer>();
  ocsp: OcspMode = { signer: 'delegate', days: 1 };
  private readonly server: Server;
  private serial = 0x1000;

  private constructor() {
    // Each openssl holds this process up: connections must not end before the next request is sent.
    this.server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
      const path = request.url ?? '';
      this.requests.push(path);
      if (path.startsWith('/silent')) return;
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = path === '/ocsp' ? this.answer(Buffer.concat(chunks)) : this.files.get(path);
        response.writeHead(body ? 200 : 404).end(body);
      });
    });
  }

  static async start(): Promise<OpensslCa> {
    const ca = new OpensslCa();
    await new Promise<void>((resolve) => ca.server.listen(0, '127.0.0.1', resolve));
    ca.prepare();
    return ca;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get pem(): string {
    return this.read('ca.pem');
  }

  /** A certificate of the CA, PEM. `extensions`: lines of an openssl section. */
  issue(name: string, extensions: readonly string[] = [], options: readonly string[] = []): string {
    this.request(name);
    return this.sign(name, readFileSync(this.at(`${name}.csr`)), extensions, options);
  }

  /** A certificate for a request; see `issue`. `name` is for `revoke`. */
  sign(
    name: string,
    csr: Buffer | string,
    extensions: readonly string[] = [],
    options: readonly string[] = [],
  ): string {
    this.serial += 1;
    writeFileSync(this.at('serial'), this.serial.toString(16).toUpperCase());
    writeFileSync(this.at(`${name}.csr`), csr);
    writeFileSync(
      this.at('ext.cnf'),
      ['subjectKeyIdentifier=hash', 'authorityKeyIdentifier=keyid', ...extensions, ''].join('\n'),
    );
    const signed = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', 'ext.cnf', '-days', '90', '-notext'];
    this.openssl('ca', '-config', 'ca.cnf', '-batch', ...signed, ...options);
    return this.read(`${name}.pem`);
  }

  revoke(name: string, reason = 'keyCompromise'): void {
    this.openssl('ca', '-config', 'ca.cnf', '-revoke', `${name}.pem`, '-crl_reason', reason);
  }

  /** Publishes a new CRL at `path`. `options`: of `openssl ca -gencrl`. */
  publish(path = '/ca.crl', options: readonly string[] = ['-crldays', '7']): Buffer {
    this.openssl('ca', '-config', 'ca.cnf', '-gencrl', '-out', 'crl.pem', ...options);
    this.openssl('crl', '-in', 'crl.pem', '-outform', 'DER', '-out', 'crl.der');
    const der = readFileSync(this.at('crl.der'));
    this.files.set(path, der);
    return der;
  }

  /** Lines for `issue` that name this server. */
  addresses(parts: { ocsp?: string; crl?: string; issuers?: string }): string[] {
    const access = [
      ...(parts.ocsp ? [`OCSP;URI:${this.url}${parts.ocsp}`] : []),
      ...(parts.issuers ? [`caIssuers;URI:${this.url}${parts.issuers}`] : []),
    ];
    return [
      ...(access.length > 0 ? [`authorityInfoAccess=${access.join(',')}`] : []),
      ...(parts.crl ? [`crlDistributionPoints=URI:${this.url}${parts.crl}`] : []),
    ];
  }

  openssl(...args: readonly string[]): string {
    return execFileSync('openssl', args, { cwd: this.folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  read(name: string): string {
    return readFileSync(this.at(name), 'utf8');
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
    rmSync(this.folder, { recursive: true });
  }

  private at(name: string): string {
    return join(this.folder, name);
  }

  private request(name: string): void {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
    this.openssl('req', '-new', ...key, '-subj', `/CN=${name}`, '-out', `${name}.csr`);
  }

  private prepare(): void {
    mkdirSync(this.at('new'));
    for (const name of ['index.txt', 'index.txt.attr']) writeFileSync(this.at(name), '');
    writeFileSync(this.at('crlnumber'), '10');
    writeFileSync(this.at('ca.cnf'), configuration);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key'];
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    const eku = ['-addext', 'extendedKeyUsage=OCSPSigning'];
    this.openssl('req', '-x509', ...key, '-subj', '/CN=Openssl CA', ...usage, '-days', '3650', '-out', 'ca.pem');
    this.openssl(
      'req',
      '-x509',
      ...key.slice(0, -1),
      'stranger.key',
      '-subj',
      '/CN=Stranger',
      ...eku,
      '-out',
      'stranger.pem',
    );
    this.issue('delegate', ['extendedKeyUsage=OCSPSigning']);
    this.issue('without-eku', ['extendedKeyUsage=serverAuth']);
    this.files.set('/ca.crt', Buffer.from(this.pem.replace(/-----[^-]+-----|\s/g, ''), 'base64'));
  }

  private answer(request: Buffer): Buffer {
    writeFileSync(this.at('request.der'), request);
    const { signer, days } = this.ocsp;
    const until = days === undefined ? [] : ['-ndays', String(days)];
    const by = ['-CA', 'ca.pem', '-rsigner', `${signer}.pem`, '-rkey', `${signer}.key`, ...until];
    this.openssl('ocsp', '-index', 'index.txt', ...by, '-reqin', 'request.der', '-respout', 'answer.der');
    return readFileSync(this.at('answer.der'));
  }
}

const configuration = `
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = new
serial = serial
crlnumber = crlnumber
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 7
policy = any
unique_subject = no
crl_extensions = crl
[any]
commonName = supplied
[crl]
authorityKeyIdentifier = keyid
[crl_shard]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@shard
[shard]
fullname = URI:http://127.0.0.1/shard.crl
[crl_users]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@users
[users]
onlyuser = TRUE
[crl_cas]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@cas
[cas]
onlyCA = TRUE
[crl_some]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@some
[some]
onlysomereasons = keyCompromise
[crl_indirect]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@indirect
[indirect]
indirectCRL = TRUE
[crl_delta]
authorityKeyIdentifier = keyid
2.5.29.27 = critical,DER:02010A
[crl_unknown]
authorityKeyIdentifier = keyid
1.2.3.4 = critical,DER:0500
`;
