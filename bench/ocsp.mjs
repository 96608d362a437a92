import { execFileSync } from 'node:child_process';
import { hash, randomBytes, X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import { startBare } from './bare-answer-server.mjs';
import { cpuMs } from './cpu.mjs';
import { load } from './load.mjs';
import { startProgram } from './program.mjs';
import { postRequest, RawClient } from './raw-client.mjs';
import { stage } from './report.mjs';

const require = createRequire(import.meta.url);
const der = require('../dist/src/pki/der/writer.js');
const { publicKeyBitsOf } = require('../dist/src/pki/key.js');
const { parseCertificate } = require('../dist/src/pki/certificate.js');

const clients = 16;
const certificates = 64;

/** P-256 signatures a second of one core, by `openssl speed`; null when there is no openssl. */
export function opensslRate() {
  try {
    const said = execFileSync('openssl', ['speed', '-seconds', '2', 'ecdsap256'], { encoding: 'utf8', stdio: 'pipe' });
    return Number(/ecdsa \(nistp256\).*?([\d.]+)\s+[\d.]+\s*$/m.exec(said)?.[1]);
  } catch {
    return null;
  }
}

/** The CertID of a certificate, by SHA-1. */
export function certIdOf(ca, leaf) {
  const algorithm = der.sequence(der.oid('1.3.14.3.2.26'), der.nullValue());
  const nameHash = der.octetString(hash('sha1', ca.subjectDer, 'buffer'));
  const keyHash = der.octetString(hash('sha1', publicKeyBitsOf(ca.spkiDer), 'buffer'));
  const serial = der.integer(Buffer.from(leaf.serialNumber, 'hex'));
  return der.sequence(algorithm, nameHash, keyHash, serial);
}

/** An OCSPRequest about one certificate. */
export function requestOf(ca, leaf, nonce) {
  const list = der.sequence(der.sequence(certIdOf(ca, leaf)));
  if (!nonce) return der.sequence(der.sequence(list));
  const extension = der.sequence(der.oid('1.3.6.1.5.5.7.48.1.2'), der.octetString(der.octetString(nonce)));
  return der.sequence(der.sequence(list, der.explicit(2, der.sequence(extension))));
}

/** Sixteen connections to a server; `ask` sends one OCSPRequest on a free one. */
async function connectionsTo(url) {
  const all = await Promise.all(Array.from({ length: clients }, () => RawClient.open(url)));
  const free = [...all];
  return {
    /** Throws unless the answer is a successful OCSPResponse. */
    async ask(octets) {
      const client = free.pop();
      const { status, body } = await client.ask(octets);
      free.push(client);
      // SEQUENCE (long form, two octets), ENUMERATED successful.
      if (status !== 200 || body.readUIntBE(4, 3) !== 0x0a0100)
        throw new Error(`OCSP: ${status} ${body.toString('hex', 0, 20)}`);
    },
    close: () => all.forEach((client) => client.close()),
  };
}

const posted = (url, body) => postRequest(url, 'application/ocsp-request', body);

/** An OCSP response that a P-256 key signed, with the certificate of the responder. */
const answerOctets = 900;

/** The same requests to a server that does nothing but answer: what the network stack and the clients allow. */
async function ofBare(measured, body) {
  const bare = await startBare(answerOctets);
  const connections = await connectionsTo(bare.url);
  const octets = posted(bare.url, body);
  try {
    await load(() => connections.ask(octets), { clients, ms: 500 });
    return await measured(() => connections.ask(octets), bare.pid);
  } finally {
    connections.close();
    bare.stop();
  }
}

/**
 * OCSP answers a second of one process to 16 keep-alive clients: signed before they are asked for, and signed anew for
 * a nonce; beside a server that does nothing but answer, and the signatures of `openssl speed` on one core.
 */
export async function ocspBench({ server, folders, build, ms }) {
  stage('asking by OCSP');
  const databaseUrl = await server.database();
  const env = { PKI_URL: 'http://pki.example.com' };
  const running = await startProgram({ build, databaseUrl, dataDir: await folders(), sockets: clients, env });
  let connections;
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
    connections = await connectionsTo(url);
    const plain = leaves.map((leaf) => posted(url, requestOf(ca, leaf)));
    const withNonce = Array.from({ length: 4096 }, (_, n) =>
      posted(url, requestOf(ca, leaves[n % certificates], randomBytes(32))),
    );
    let next = 0;
    const preSigned = () => connections.ask(plain[next++ % plain.length]);
    const fresh = () => connections.ask(withNonce[next++ % withNonce.length]);
    for (const work of [preSigned, fresh]) await load(work, { clients, ms: ms / 4 });
    const measured = async (work, pid = running.pid) => {
      const before = cpuMs(pid);
      const found = await load(work, { clients, ms });
      return { ...found, cpuMs: (cpuMs(pid) - before) / found.latencies.length };
    };
    const bare = await ofBare(measured, requestOf(ca, leaves[0]));
    return { preSigned: await measured(preSigned), fresh: await measured(fresh), bare, opensslPerS: opensslRate() };
  } finally {
    connections?.close();
    await running.stop();
  }
}
