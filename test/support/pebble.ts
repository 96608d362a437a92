import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { openssl } from './bundles.js';
import { freePort, ownFolder, type OwnServer, ownServer } from './own-server.js';
import { eventually } from './program.js';
import { spawnSync } from './sync-programs.js';

/** The program; another one than that on the PATH by the variable PEBBLE. */
const program = process.env['PEBBLE'] ?? 'pebble';

/** What of Pebble a test sets. */
export interface PebbleSetup {
  /** Where it asks for names: address and port. */
  dnsServer: string;
  /** The port at which it looks for answers to http-01 challenges. */
  httpPort: number;
  /** The port at which it looks for answers to tls-alpn-01 challenges. */
  tlsPort?: number;
  /** Percentages and switches of its faults, as its variables have them. */
  faults?: Readonly<Record<string, string>>;
  /** Key ids with their HMAC keys (base64url) of customers; then an account needs one of them. */
  externalAccounts?: Readonly<Record<string, string>>;
}

/** A Pebble of this run's own at 127.0.0.1. */
export interface TestPebble extends OwnServer {
  directoryUrl: string;
  /** PEM of the CA that its server certificate is from. */
  caPem: string;
  /** The JSON of its directory. */
  directory(): Promise<string>;
  /** The root of the chain, or of an alternate chain, PEM. New with every start. */
  root(index?: number): Promise<string>;
  /** `Revoked` or `Valid`, by the serial number in hexadecimal digits. */
  statusOf(serialHex: string): Promise<string>;
}

/** Why the suite cannot run; undefined when Pebble is installed. */
export function missingPebble(): string | undefined {
  const found = spawnSync(program, ['-help']).error === undefined;
  return found ? undefined : 'Pebble is not installed (Debian: apt-get install pebble; or set PEBBLE to the program)';
}

export async function startPebble({
  dnsServer,
  httpPort,
  tlsPort,
  faults = {},
  externalAccounts,
}: PebbleSetup): Promise<TestPebble> {
  const dir = await ownFolder('pebble');
  const [port, managementPort] = [await freePort(), await freePort()];
  const caPem = serverCertificate(dir);
  const config = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: join(dir, 'server.pem'),
    privateKey: join(dir, 'server.key'),
    httpPort,
    tlsPort: tlsPort ?? (await freePort()),
    ocspResponderURL: '',
    externalAccountBindingRequired: externalAccounts !== undefined,
    externalAccountMACKeys: externalAccounts ?? {},
    profiles: {
      default: { description: 'The usual one.', validityPeriod: 7_776_000 },
      shortlived: { description: 'Six days.', validityPeriod: 518_400 },
    },
  };
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ pebble: config }));
  const management = (path: string): Promise<string> => fetchText(`https://127.0.0.1:${managementPort}${path}`, caPem);
  const server = ownServer(
    dir,
    () =>
      spawn(program, ['-config', join(dir, 'config.json'), '-dnsserver', dnsServer], {
        stdio: 'ignore',
        env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_AUTHZREUSE: '0', ...faults },
      }),
    () => eventually(() => management('/roots/0').catch(() => null)),
  );
  await server.start();
  return {
    ...server,
    directoryUrl: `https://127.0.0.1:${port}/dir`,
    caPem,
    directory: () => fetchText(`https://127.0.0.1:${port}/dir`, caPem),
    root: (index = 0) => management(`/roots/${index}`),
    statusOf: async (serialHex) => {
      const answer = JSON.parse(await management(`/cert-status-by-serial/${serialHex.toLowerCase()}`));
      return (answer as { Status: string }).Status;
    },
  };
}

/** Makes key and certificate of a server at 127.0.0.1; gives the certificate of the CA. */
function serverCertificate(dir: string): string {
  const make = (name: string, more: readonly string[]): void => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(dir, `${name}.key`)];
    openssl(['req', '-x509', '-days', '2', '-subj', `/CN=${name}`, ...key, '-out', join(dir, `${name}.pem`), ...more]);
  };
  make('ca', ['-addext', 'keyUsage=critical,keyCertSign']);
  make('server', [
    ...['-CA', join(dir, 'ca.pem'), '-CAkey', join(dir, 'ca.key')],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'],
  ]);
  return readFileSync(join(dir, 'ca.pem'), 'utf8');
}

/** The body of a 200 over TLS with this CA; rejects otherwise. */
export function fetchText(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { ca, headers: { 'user-agent': 'Perennial tests' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    }).on('error', reject);
  });
}
