import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, ownFolder, type OwnServer, ownServer } from './own-server.js';
import { eventually } from './program.js';
import { execFileSync, spawnSync } from './sync-programs.js';

/** Where Debian puts it is not on the PATH of ordinary users. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

/** An OpenLDAP server of this run's own. Its certificate is for `localhost` alone. */
export interface TestSlapd extends OwnServer {
  /** ldap:// and ldaps:// on 127.0.0.1, and the first by a name that its certificate has. */
  plainUrl: string;
  tlsUrl: string;
  namedUrl: string;
  caPem: string;
  /** The log of the server so far: every operation with its parameters. */
  log(): string;
}

/** Whether the program is installed; if not, says once how to get it. */
export function slapdIsInstalled(): boolean {
  const found = spawnSync('slapd', ['-VV'], { env }).status === 0;
  if (!found) console.warn('Skipped: slapd is not installed (Debian and Ubuntu: apt-get install slapd).');
  return found;
}

/** Starts a server with the entries of `ldif` below dc=example,dc=com. */
export async function startSlapd(ldif: string): Promise<TestSlapd> {
  const dir = await ownFolder('slapd');
  const [plain, tls] = [await freePort(), await freePort()];
  makeCertificate(dir);
  await writeFile(join(dir, 'slapd.conf'), configuration(dir));
  await writeFile(join(dir, 'data.ldif'), ldif);
  execFileSync('slapadd', ['-f', join(dir, 'slapd.conf'), '-l', join(dir, 'data.ldif')], { env, stdio: 'pipe' });
  let log = '';
  const server = ownServer(
    dir,
    () => {
      const slapd = spawn(
        'slapd',
        ['-f', join(dir, 'slapd.conf'), '-h', `ldap://127.0.0.1:${plain} ldaps://127.0.0.1:${tls}`, '-d', '256'],
        { env, stdio: ['ignore', 'ignore', 'pipe'] },
      );
      slapd.stderr.on('data', (chunk: Buffer) => {
        log += chunk.toString();
      });
      return slapd;
    },
    () => eventually(async () => (await Promise.all([plain, tls].map(listens))).every(Boolean)),
  );
  await server.start();
  return {
    plainUrl: `ldap://127.0.0.1:${plain}`,
    tlsUrl: `ldaps://localhost:${tls}`,
    namedUrl: `ldap://localhost:${plain}`,
    caPem: await readFile(join(dir, 'ca.pem'), 'utf8'),
    log: () => log,
    ...server,
  };
}

/** `allow bind_anon_cred`: like many servers, it takes a name without a password for nobody and says yes. */
function configuration(dir: string): string {
  const schemas = ['core', 'cosine', 'nis', 'inetorgperson'].map((name) => `include /etc/ldap/schema/${name}.schema`);
  return [
    ...schemas,
    'modulepath /usr/lib/ldap',
    'moduleload back_mdb',
    'allow bind_anon_cred',
    `pidfile ${dir}/pid`,
    `TLSCACertificateFile ${dir}/ca.pem`,
    `TLSCertificateFile ${dir}/server.pem`,
    `TLSCertificateKeyFile ${dir}/server.key`,
    'database mdb',
    'maxsize 16777216',
    'suffix "dc=example,dc=com"',
    `directory ${dir}`,
    'access to attrs=userPassword by anonymous auth by * none',
    'access to * by users read by * none',
    '',
  ].join('\n');
}

function makeCertificate(dir: string): void {
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=Directory CA',
    '-days',
    '30',
  );
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'server.key',
    '-out',
    'server.pem',
    '-subj',
    '/CN=directory',
    '-days',
    '30',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  );
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const answer = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return answer;
}
