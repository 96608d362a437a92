import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { hash, randomBytes, X509Certificate } from 'node:crypto';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { cpuMs } from './cpu.mjs';
import { load } from './load.mjs';
import { startProgram } from './program.mjs';
import { stage } from './report.mjs';

const require = createRequire(import.meta.url);
const der = require('../dist/src/pki/der/writer.js');
const { publicKeyBitsOf } = require('../dist/src/pki/key.js');
const { parseCertificate } = require('../dist/src/pki/certificate.js');

const clients = 16;
const certificates = 64;

/** P-256 signatures a second of one core, by `openssl speed`; null when there is no openssl. */
function opensslRate() {
  try {
    const said = execFileSync('openssl', ['speed', '-seconds', '2', 'ecdsap256'], { encoding: 'utf8', stdio: 'pipe' });
    return Number(/ecdsa \(nistp256\).*?([\d.]+)\s+[\d.]+\s*$/m.exec(said)?.[1]);
  } catch {
    return null;
  }
}

/** An OCSPRequest about one certificate, by SHA-1. */
function requestOf(ca, leaf, nonce) {
  const algorithm = der.sequence(der.oid('1.3.14.3.2.26'), der.nullValue());
  const nameHash = der.octetString(hash('sha1', ca.subjectDer, 'buffer'));
  const keyHash = der.octetString(hash('sha1', publicKeyBitsOf(ca.spkiDer), 'buffer'));
  const serial = der.integer(Buffer.from(leaf.serialNumber, 'hex'));
  const list = der.sequence(der.sequence(der.sequence(algorithm, nameHash, keyHash, serial)));
  if (!nonce) return der.sequence(der.sequence(list));
  const extension = der.sequence(der.oid('1.3.6.1.5.5.7.48.1.2'), der.octetString(der.octetString(nonce)));
  return der.sequence(der.sequence(list, der.explicit(2, der.sequence(extension))));
}

/** Throws unless the answer is a successful OCSPResponse. */
function ask(agent, url, body) {
  const { hostname, port, pathname: path } = url;
  const headers = { 'content-type': 'application/ocsp-request', 'content-length': body.length };
  return new Promise((resolve, reject) => {
    const sent = request({ agent, method: 'POST', hostname, port, path, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const answer = Buffer.concat(parts);
        // SEQUENCE (long form, two octets), ENUMERATED successful.
        if (response.statusCode === 200 && answer.readUIntBE(4, 3) === 0x0a0100) resolve();
        else reject(new Error(`OCSP: ${response.statusCode} ${answer.toString('hex', 0, 20)}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The same requests to a server that does nothing but answer: what the network stack and the clients allow. */
async function ofBare(agent, measured, body) {
  const child = fork(new URL('bare-answer.mjs', import.meta.url));
  try {
    const [port] = await once(child, 'message');
    const url = new URL(`http://127.0.0.1:${port}/`);
    await load(() => ask(agent, url, body), { clients, ms: 500 });
    return await measured(() => ask(agent, url, body), child.pid);
  } finally {
    child.disconnect();
  }
}

/**
 * OCSP answers a second of one process to 16 keep-alive clients: signed before they are asked for, and signed anew for a
 * nonce; beside a server that does nothing but answer, and the signatures of `openssl speed` on one core.
 */
export async function ocspBench({ server, folders, build, ms }) {
  stage('asking by OCSP');
  const databaseUrl = await server.database();
  const env = { PKI_URL: 'http://pki.example.com' };
  const running = await startProgram({ build, databaseUrl, dataDir: await folders(), sockets: clients, env });
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  try {
    const { caller } = running;
    const made = { name: 'ca', owner: 'pki@example.com', commonName: 'CA' };
    const { id, plugin, authorityCertificate } = await caller.json('POST', '/authorities', made);
    const ca = parseCertificate(authorityCertificate.body);
    const leaves = [];
    for (let n = 0; n < certificates; n++) {
      const asked = {
        owner: 'pki@example.com',
        commonName: `www${n}.example.com`,
        authority: { id },
        validityDays: 90,
      };
      leaves.push(new X509Certificate((await caller.json('POST', '/certificates', asked)).body));
    }
    const url = new URL(new URL(plugin.options.ocsp[0]).pathname, caller.url);
    const plain = leaves.map((leaf) => requestOf(ca, leaf));
    const withNonce = Array.from({ length: 4096 }, (_, n) => requestOf(ca, leaves[n % certificates], randomBytes(32)));
    let next = 0;
    const preSigned = () => ask(agent, url, plain[next++ % plain.length]);
    const fresh = () => ask(agent, url, withNonce[next++ % withNonce.length]);
    for (const work of [preSigned, fresh]) await load(work, { clients, ms: ms / 4 });
    const measured = async (work, pid = running.pid) => {
      const before = cpuMs(pid);
      const found = await load(work, { clients, ms });
      return { ...found, cpuMs: (cpuMs(pid) - before) / found.latencies.length };
    };
    const bare = await ofBare(agent, measured, plain[0]);
    return { preSigned: await measured(preSigned), fresh: await measured(fresh), bare, opensslPerS: opensslRate() };
  } finally {
    agent.destroy();
    await running.stop();
  }
}
