import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expectSame, until } from './expect.mjs';
import { freePort } from './program.mjs';
import { openssl } from './tools.mjs';

const run = promisify(execFile);
const name = 'acme.example.com';

/** A certificate from a CA that speaks ACME, where Pebble is installed: it fetches the answer to its challenge here. */
export async function issueByAcme(stage) {
  const { narrator, program } = stage;
  await narrator.step('Issue through a CA that speaks ACME', async () => {
    if (!(await isInstalled('pebble')) || !(await isInstalled('pebble-challtestsrv')))
      return { seen: 'skipped: no Pebble (Debian: apt-get install pebble)' };
    const pebble = await startPebble(stage);
    try {
      await program.post('/authorities', {
        name: 'acme',
        owner: 'pki@example.com',
        chain: await fetched(`${pebble.management}/roots/0`, pebble.caPem),
        plugin: {
          id: 'acme',
          options: {
            directoryUrl: pebble.directory,
            caCertificates: pebble.caPem,
            challenge: 'http-01',
            termsOfServiceAgreed: true,
          },
        },
      });
      return { seen: await issue(program) };
    } finally {
      await pebble.stop();
    }
  });
}

async function issue(program) {
  const { id } = await program.post('/certificates', {
    owner: 'joe@example.com',
    commonName: name,
    authority: { name: 'acme' },
  });
  const issued = await until(
    'the CA issues it',
    async () => {
      const certificate = await program.get(`/certificates/${id}`);
      return certificate.lifecycle === 'issued' && certificate;
    },
    { describe: async () => (await program.get(`/certificates/${id}`)).order },
  );
  expectSame('its names', issued.names?.map(({ value }) => value) ?? [issued.cn], [name]);
  return `${name}, by ${issued.issuer}`;
}

async function isInstalled(command) {
  return run(command, ['-help']).then(
    () => true,
    ({ code }) => code !== 'ENOENT',
  );
}

/** Pebble, and a name server that leads every name to this machine. */
async function startPebble({ program, folder }) {
  const at = (file) => join(folder, file);
  const [port, management, dns, dnsManagement, tlsPort] = await Promise.all(Array.from({ length: 5 }, freePort));
  await makeServerCertificate(at);
  const config = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: at('pebble.pem'),
    privateKey: at('pebble.key'),
    httpPort: Number(new URL(program.url).port),
    tlsPort,
  };
  await writeFile(at('pebble.json'), JSON.stringify({ pebble: config }));
  const start = (command, args) =>
    spawn(command, args, { stdio: 'ignore', env: { ...process.env, PEBBLE_VA_NOSLEEP: '1' } });
  const children = [
    start('pebble-challtestsrv', [
      ...['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManagement}`, '-defaultIPv6', ''],
      ...['-http01', '', '-https01', '', '-tlsalpn01', ''],
    ]),
    start('pebble', ['-config', at('pebble.json'), '-dnsserver', `127.0.0.1:${dns}`]),
  ];
  const pebble = {
    directory: `https://127.0.0.1:${port}/dir`,
    management: `https://127.0.0.1:${management}`,
    caPem: await readFile(at('pebble-ca.pem'), 'utf8'),
    stop: async () => {
      for (const child of children) {
        const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
        child.kill('SIGKILL');
        await ended;
      }
    },
  };
  process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));
  await until('Pebble answers', () => fetched(pebble.directory, pebble.caPem).catch(() => null));
  return pebble;
}

async function makeServerCertificate(at) {
  const key = (file) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    at(`${file}.key`),
  ];
  const make = (file, more) =>
    openssl(['req', '-x509', '-days', '2', '-subj', `/CN=${file}`, ...key(file), '-out', at(`${file}.pem`), ...more]);
  await make('pebble-ca', ['-addext', 'keyUsage=critical,keyCertSign']);
  await make('pebble', [
    ...['-CA', at('pebble-ca.pem'), '-CAkey', at('pebble-ca.key')],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'],
  ]);
}

function fetched(url, ca) {
  return new Promise((resolve, reject) => {
    get(url, { ca, headers: { 'user-agent': 'Perennial demo' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    }).on('error', reject);
  });
}
