import { fork } from 'node:child_process';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { load, median, quantile } from './load.mjs';
import { query } from './postgres.mjs';

const { buildCsr } = createRequire(import.meta.url)('../dist/src/pki/csr.js');
const baselineFile = fileURLToPath(new URL('baseline.mjs', import.meta.url));

const clients = 16;
const teams = 20;
const authority = 'bench';

/** Creates the authority of the bench, with every URL that a certificate can carry. */
export async function makeAuthority(caller) {
  const options = {
    crlDistributionPoints: ['http://crl.example.com/ca.crl'],
    caIssuers: ['http://ca.example.com/ca.der'],
    ocsp: ['http://ocsp.example.com'],
  };
  return caller.json('POST', '/authorities', {
    name: authority,
    owner: 'pki@example.com',
    commonName: 'Bench Root',
    plugin: { id: 'local-ca', options },
  });
}

/** Issues one more certificate; the program generates its key. */
export function issueNew(caller, n) {
  return caller.json('POST', '/certificates', {
    owner: `team-${n % teams}@example.com`,
    authority: { name: authority },
    commonName: `new-${n}.bench.example.com`,
    validityDays: 90,
  });
}

/** Requests with distinct keys and names, prepared in advance to keep the measurement clean. */
async function makeRequests(count) {
  const requests = [];
  for (let i = 0; i < count; i++) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const host = `host-${String(i).padStart(6, '0')}.bench.example.com`;
    const csr = await buildCsr(
      {
        subject: { commonName: host, organization: 'Example', country: 'CH' },
        subjectAltNames: [
          { type: 'dns', value: host },
          { type: 'dns', value: `www.${host}` },
        ],
      },
      privateKey,
    );
    requests.push(
      JSON.stringify({ owner: `team-${i % teams}@example.com`, authority: { name: authority }, csr, validityDays: 90 }),
    );
  }
  return requests;
}

async function startBaseline(databaseUrl, rowBytes) {
  const child = fork(baselineFile, [databaseUrl, clients, rowBytes]);
  await once(child, 'message');
  return {
    async perS(ms) {
      child.send({ ms });
      return (await once(child, 'message'))[0];
    },
    stop() {
      child.disconnect();
      return once(child, 'exit');
    },
  };
}

/**
 * Certificates issued and stored per second by the running program, against committed inserts of rows of a
 * certificate's size; both with 16 clients, in alternating rounds. Rates and `ratio` are medians over the rounds;
 * latencies in ms cover all rounds.
 */
export async function issueBench({ caller, databaseUrl, rounds, roundMs }) {
  const requests = await makeRequests(teams * 10 + Math.ceil(rounds * roundMs * 2.5));
  let next = 0;
  const issue = () => {
    const body = requests[next++];
    if (body === undefined) throw new Error('The prepared requests are used up.');
    return caller.text('POST', '/certificates', body);
  };
  await Promise.all(Array.from({ length: teams }, issue));
  await load(issue, { clients, ms: Math.min(roundMs, 1500) });
  const [{ bytes: rowBytes }] = await query(
    databaseUrl,
    'select avg(pg_column_size(c.*))::int as bytes from certificate c',
  );
  const baseline = await startBaseline(databaseUrl, rowBytes);
  await baseline.perS(Math.min(roundMs, 1000));
  const measured = [];
  for (let round = 0; round < rounds; round++) {
    measured.push({ baseline: await baseline.perS(roundMs), ...(await load(issue, { clients, ms: roundMs })) });
  }
  await baseline.stop();
  const [{ stored }] = await query(
    databaseUrl,
    `select count(*)::int as stored from certificate where state = 'issued'`,
  );
  if (stored !== next) throw new Error(`${next} certificates were issued, but ${stored} are stored.`);
  const latencies = measured.flatMap((round) => round.latencies).sort((a, b) => a - b);
  return {
    rowBytes,
    perS: median(measured.map((round) => round.perS)),
    baselinePerS: median(measured.map((round) => round.baseline)),
    ratio: median(measured.map((round) => round.perS / round.baseline)),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
}
