import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openssl } from './bundles.js';
import { freePort, ownFolder, type OwnServer, ownServer } from './own-server.js';
import { fetchText } from './pebble.js';
import { eventually } from './program.js';
import { spawnSync } from './sync-programs.js';

/** The program; another one than that on the PATH by the variable STEP_CA. */
const program = process.env['STEP_CA'] ?? 'step-ca';

/** A step-ca of this run's own at 127.0.0.1, with an ACME provisioner. */
export interface TestStepCa extends OwnServer {
  directoryUrl: string;
  /** Its root, PEM, which its server certificate leads to as well. */
  rootPem: string;
}

/** What of step-ca a test sets. */
export interface StepCaSetup {
  dnsServer: string;
  httpPort: number;
  tlsPort: number;
}

/** Why the suite cannot run; undefined when step-ca is installed. */
export function missingStepCa(): string | undefined {
  const found = spawnSync(program, ['version']).error === undefined;
  return found
    ? undefined
    : 'step-ca is not installed (CGO_ENABLED=0 go install github.com/smallstep/certificates/cmd/step-ca@latest; ' +
        'or set STEP_CA to the program)';
}

/** Where it asks for names, and the ports at which it looks for answers to http-01 and tls-alpn-01 challenges. */
export async function startStepCa({ dnsServer, httpPort, tlsPort }: StepCaSetup): Promise<TestStepCa> {
  const dir = await ownFolder('step-ca');
  const port = await freePort();
  const at = (name: string): string => join(dir, name);
  makeCa(at);
  writeFileSync(
    at('ca.json'),
    JSON.stringify({
      root: at('root.pem'),
      crt: at('issuing.pem'),
      key: at('issuing.key'),
      address: `127.0.0.1:${port}`,
      dnsNames: ['127.0.0.1'],
      logger: { format: 'text' },
      db: { type: 'badgerv2', dataSource: at('db') },
      authority: { provisioners: [{ type: 'ACME', name: 'acme' }] },
    }),
  );
  const rootPem = readFileSync(at('root.pem'), 'utf8');
  const directoryUrl = `https://127.0.0.1:${port}/acme/acme/directory`;
  const server = ownServer(
    dir,
    () =>
      spawn(
        program,
        [
          ...[at('ca.json'), '--resolver', dnsServer, '--insecure'],
          ...['--acme-http-port', String(httpPort), '--acme-tls-port', String(tlsPort)],
        ],
        { stdio: 'ignore' },
      ),
    () => eventually(() => fetchText(directoryUrl, rootPem).catch(() => null)),
  );
  await server.start();
  return { ...server, directoryUrl, rootPem };
}

function makeCa(at: (name: string) => string): void {
  const make = (name: string, pathLength: number, more: readonly string[]): void => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at(`${name}.key`)];
    const extensions = [
      ...['-addext', `basicConstraints=critical,CA:TRUE,pathlen:${pathLength}`],
      ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    ];
    openssl(
      ['req', '-x509', '-days', '3650', '-subj', `/CN=step ${name}`, ...key, '-out', at(`${name}.pem`), ...more].concat(
        extensions,
      ),
    );
  };
  make('root', 1, []);
  make('issuing', 0, ['-CA', at('root.pem'), '-CAkey', at('root.key')]);
}
