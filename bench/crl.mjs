import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBare } from './bare-answer-server.mjs';
import { load, quantile } from './load.mjs';
import { certIdOf, opensslRate, requestOf } from './ocsp.mjs';
import { query } from './postgres.mjs';
import { startProgram } from './program.mjs';
import { stage } from './report.mjs';

const require = createRequire(import.meta.url);
const { encodeCrlEntry } = require('../dist/src/pki/crl.js');
const { parseCertificate } = require('../dist/src/pki/certificate.js');
const batch = 50_000;

/** Adds revoked certificates of one authority, as its earlier CRLs have left them. */
async function revoke(databaseUrl, id, count) {
  const revokedAt = new Date(Date.now() - 3_600_000);
  for (let done = 0; done < count; done += batch) {
    const rows = Array.from({ length: Math.min(batch, count - done) }, (_, n) => {
      const serial = randomBytes(16);
      // Positive, as those of a CA are.
      serial[0] = (serial[0] & 0x3f) | 0x40;
      return { serial, revokedAt, reason: n % 6 };
    });
    await query(
      databaseUrl,
      `insert into revoked_certificate
         (authority_id, serial_hex, not_after, revoked_at, reason, changed_at, entry_der)
       select $1, upper(encode(one.serial, 'hex')), now() + interval '90 days', $2, one.reason, $2, one.der
       from unnest($3::bytea[], $4::int[], $5::bytea[]) as one(serial, reason, der)`,
      [id, revokedAt, rows.map(({ serial }) => serial), rows.map(({ reason }) => reason), rows.map(encodeCrlEntry)],
    );
  }
}

const pollMs = 20;

/** Makes the CRL anew; how long it takes from the request until its state shows it, while others ask for health. */
async function remake({ caller }, { id, root }) {
  const path = `/authorities/${id}/crl`;
  const numberOf = async () => (await caller.json('GET', path)).lists[0];
  const { number } = await numberOf();
  const seen = { done: false, latencies: [] };
  const health = (async () => {
    while (!seen.done) {
      const { latencies } = await load(() => fetch(`${root}/health/live`).then((answer) => answer.text()), {
        clients: 1,
        ms: 100,
      });
      seen.latencies.push(...latencies);
    }
  })();
  const begun = performance.now();
  await caller.json('POST', path, {});
  let list = await numberOf();
  while (list.number === number) {
    await sleep(pollMs);
    list = await numberOf();
  }
  const ms = performance.now() - begun;
  seen.done = true;
  await health;
  return {
    ms,
    entries: list.entries,
    healthP99: quantile(
      seen.latencies.sort((a, b) => a - b),
      0.99,
    ),
  };
}

/** Fetches and throws away: 64 copies of a long list would fill the memory. */
async function drain(url) {
  const { body } = await fetch(url);
  for await (const part of body) if (part.length === 0) return;
}

/** How long one raw signature takes over as many octets as the list has. */
function rawSignatureMs(octets) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const data = Buffer.alloc(octets);
  const begun = performance.now();
  sign('sha256', data, privateKey);
  return performance.now() - begun;
}

/** Repeats `look` until it is true; the time since `begun`, a moment of performance.now(). */
async function timeUntil(begun, look) {
  while (!(await look())) await sleep(pollMs);
  return performance.now() - begun;
}

/** How long a client that asks all the time has to wait after a revocation until OCSP and CRL tell it. Times in ms. */
async function visibility({ caller }, { authority, root, listUrl }) {
  const asked = { owner: 'pki@example.com', commonName: 'www.example.com', validityDays: 90 };
  const { id, body } = await caller.json('POST', '/certificates', { ...asked, authority: { id: authority.id } });
  const [ca, leaf] = [parseCertificate(authority.authorityCertificate.body), new X509Certificate(body)];
  const certId = certIdOf(ca, leaf);
  const post = { method: 'POST', headers: { 'content-type': 'application/ocsp-request' }, body: requestOf(ca, leaf) };
  const tellsOcsp = async () => {
    const answer = Buffer.from(await (await fetch(`${root}/pki/ocsp`, post)).arrayBuffer());
    // CertStatus follows the CertID: [1] is revoked (RFC 6960 §4.2.1).
    return answer[answer.indexOf(certId) + certId.length] === 0xa1;
  };
  const tagOf = async () => (await fetch(listUrl, { method: 'HEAD' })).headers.get('etag');
  let tag = await tagOf();
  const tellsList = async () => {
    const newTag = await tagOf();
    if (newTag === tag) return false;
    tag = newTag;
    return Buffer.from(await (await fetch(listUrl)).arrayBuffer()).includes(Buffer.from(leaf.serialNumber, 'hex'));
  };
  if (await tellsOcsp()) throw new Error('OCSP tells of a revocation before there is one.');
  const begun = performance.now();
  await caller.json('PUT', `/certificates/${id}/revoke`, { crlReason: 'superseded' });
  const [ocspMs, crlMs] = await Promise.all([timeUntil(begun, tellsOcsp), timeUntil(begun, tellsList)]);
  return { ocspMs, crlMs };
}

/** Megabytes a second that 64 clients get of the list, and of as many octets from a server that does nothing else. */
async function served(url, octets, ms) {
  const bare = await startBare(octets);
  try {
    await drain(url);
    const clients = 64;
    const ours = await load(() => drain(url), { clients, ms });
    const bares = await load(() => drain(bare.url), { clients, ms });
    return { megabytesPerS: (ours.perS * octets) / 1e6, ofBare: ours.perS / bares.perS };
  } finally {
    bare.stop();
  }
}

/**
 * A CRL of each of these sizes: how long it takes, how soon a revocation is seen, and how fast it is served to 64
 * clients. Times in ms.
 */
export async function crlBench({ server, folders, build, sizes, ms }) {
  const databaseUrl = await server.database();
  const running = await startProgram({ build, databaseUrl, dataDir: await folders(), sockets: 64 });
  try {
    const { caller } = running;
    const root = caller.url.href.replace(/\/api\/1\/?$/, '');
    const results = [];
    for (const size of sizes) {
      const authority = await caller.json('POST', '/authorities', {
        name: `crl ${size}`,
        owner: 'pki@example.com',
        commonName: `CRL ${size}`,
      });
      const { id } = authority;
      const isMade = async () => (await caller.json('GET', `/authorities/${id}/crl`)).lists[0]?.number ?? null;
      while ((await isMade()) === null) await sleep(pollMs);
      stage(`a CRL of ${size.toLocaleString('en')} entries`);
      await revoke(databaseUrl, id, size);
      await query(databaseUrl, 'vacuum analyze revoked_certificate');
      const made = await remake(running, { id, root });
      stage(`made in ${Math.round(made.ms)} ms; p99 of a health request ${made.healthP99.toFixed(1)} ms`);
      const [{ name, octets }] = await query(
        databaseUrl,
        `select a.public_id as name, c.octets from crl c join authority a on a.id = c.authority_id
         where a.id = $1`,
        [id],
      );
      const listUrl = `${root}/pki/${name}.crl`;
      const seen = await visibility(running, { authority, root, listUrl });
      const raw = { signMs: rawSignatureMs(octets), opensslPerS: opensslRate() };
      results.push({ size, made, octets, ...seen, ...raw, ...(await served(listUrl, octets, ms)) });
    }
    return results;
  } finally {
    await running.stop();
  }
}
