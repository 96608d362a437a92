import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json } from './json.js';
import type { TestProgram } from './program.js';
import { execFileSync } from './sync-programs.js';

export const owner = 'pki@example.com';

interface Made {
  by?: string;
  newkey?: string;
  opt?: string;
  /** Further extensions of the certificate, as openssl writes them. */
  more?: readonly string[];
}

/** Programs of others that make CAs and judge certificates, in a folder of their own. */
export class CaTools {
  readonly folder = mkdtempSync(join(tmpdir(), 'ca-tools-'));

  close(): void {
    rmSync(this.folder, { recursive: true });
  }

  /** What the program wrote to stdout and stderr. Throws when it fails. */
  run(name: string, ...args: readonly string[]): string {
    const shell = ['-c', 'exec "$@" 2>&1', name, name, ...args];
    return execFileSync('/bin/sh', shell, { cwd: this.folder, encoding: 'utf8' });
  }

  openssl(...args: readonly string[]): string {
    return this.run('openssl', ...args);
  }

  write(name: string, text: string): string {
    writeFileSync(join(this.folder, name), text);
    return name;
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8');
  }

  /** A CA that openssl makes: `name.key` and `name.pem`, signed by `by` or itself. */
  makeCa(name: string, { by, newkey = 'ec', opt = 'ec_paramgen_curve:P-256', more = [] }: Made = {}): void {
    const signer = by === undefined ? [] : ['-CA', `${by}.pem`, '-CAkey', `${by}.key`];
    const usage = ['keyUsage=critical,keyCertSign,cRLSign', ...more].flatMap((one) => ['-addext', one]);
    const key = ['-newkey', newkey, ...(opt ? ['-pkeyopt', opt] : []), '-nodes', '-keyout', `${name}.key`];
    const subject = ['-subj', `/O=Outside/CN=${name}`, '-days', '3650'];
    this.openssl('req', '-x509', ...key, ...subject, ...usage, '-out', `${name}.pem`, ...signer);
  }

  /** What openssl says of a certificate with its chain under this root. Throws when it does not verify. */
  verified({ body, chain }: Json, rootPem: string): string {
    this.write('leaf.pem', body);
    this.write('chain.pem', `${chain ?? ''}`);
    this.write('root.pem', rootPem);
    const args = ['-x509_strict', '-CAfile', 'root.pem', '-untrusted', 'chain.pem', 'leaf.pem'];
    return this.openssl('verify', ...args).trim();
  }

  /** The same by GnuTLS. */
  byGnutls({ body, chain }: Json, rootPem: string): string {
    this.write('all.pem', `${body}${chain ?? ''}`);
    this.write('root.pem', rootPem);
    return this.run('certtool', '--verify', '--load-ca-certificate', 'root.pem', '--infile', 'all.pem');
  }

  /** The certificate as `openssl x509 -text` prints it. */
  text(pem: string): string {
    this.write('shown.pem', pem);
    return this.openssl('x509', '-in', 'shown.pem', '-noout', '-text');
  }
}

/** A new authority, with defaults for what does not matter. */
export function makeAuthority(program: TestProgram, name: string, more: object = {}): Promise<Json> {
  return program.ok('POST', '/authorities', { name, owner, commonName: `CA ${name}`, ...more });
}

let count = 0;

/** A certificate of this authority for a name that nothing else has. */
export function issueFrom(program: TestProgram, authority: string, more: object = {}): Promise<Json> {
  count += 1;
  const commonName = `host-${count}.example.com`;
  return program.ok('POST', '/certificates', {
    owner,
    authority: { name: authority },
    commonName,
    validityDays: 30,
    ...more,
  });
}
