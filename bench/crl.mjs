import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { load, quantile } from './load.mjs';
import { query } from './postgres.mjs';
import { startProgram } from './program.mjs';
import { stage } from './report.mjs';

const { encodeCrlEntry } = createRequire(import.meta.url)('../dist/src/pki/crl.js');
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

/**
 * A CRL of each of these sizes: how long it takes, and how fast it is served to 64 clients. Times in ms.
 */
export async function crlBench({ server, folders, build, sizes, ms }) {
  const databaseUrl = await server.database();
  const running = await startProgram({ build, databaseUrl, dataDir: await folders(), sockets: 64 });
  try {
    const { caller } = running;
    const root = caller.url.href.replace(/\/api\/1\/?$/, '');
    const results = [];
    for (const size of sizes) {
      const { id } = await caller.json('POST', '/authorities', {
        name: `crl ${size}`,
        owner: 'pki@example.com',
        commonName: `CRL ${size}`,
      });
      const isMade = async () => (await caller.json('GET', `/authorities/${id}/crl`)).lists[0]?.number ?? null;
      while ((await isMade()) === null) await sleep(pollMs);
      stage(`a CRL of ${size.toLocaleString('en')} entries`);
      await revoke(databaseUrl, id, size);
      await query(databaseUrl, 'vacuum analyze revoked_certificate');
      const made = await remake(running, { id, root });
      stage(`made in ${Math.round(made.ms)} ms; p99 of a health request ${made.healthP99.toFixed(1)} ms`);
      const [{ name, octets }] = await query(
        databaseUrl,
        `select a.public_id as name, octet_length(c.der) as octets from crl c join authority a on a.id = c.authority_id
         where a.id = $1`,
        [id],
      );
      const fetchList = () => drain(`${root}/pki/${name}.crl`);
      await fetchList();
      const { perS } = await load(fetchList, { clients: 64, ms });
      results.push({ size, made, octets, rawMs: rawSignatureMs(octets), megabytesPerS: (perS * octets) / 1e6 });
    }
    return results;
  } finally {
    await running.stop();
  }
}
