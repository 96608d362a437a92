import { load, quantile } from './load.mjs';
import { query } from './postgres.mjs';
import { seedCertificates } from './seed.mjs';

/** What people type: one host of many, a whole service in an environment, a word that a twentieth of all names hold, and something that is nowhere. */
const searches = [
  (n) => `-${String(n * 7919 % 100_000).padStart(6, '0')}.`,
  (n) => ['payments.prod.team-', 'gateway.dev.team-', 'shipping.test.team-'][n % 3] + n % 50,
  (n) => ['payments', 'checkout', 'identity', 'ledger'][n % 4],
  (n) => `nowhere-${n}`,
];

/**
 * Latencies in ms, asked by one client: the first page of the newest, and searches for a part of a name or SAN, in a list of
 * `count` certificates.
 */
export async function listBench({ caller, databaseUrl, count, ms }) {
  const [{ id }] = await query(databaseUrl, 'select min(id) as id from certificate');
  const begun = performance.now();
  await seedCertificates(databaseUrl, id, count);
  const seedS = (performance.now() - begun) / 1000;
  const ask = async (path) => {
    if (!(await caller.text('GET', path)).startsWith('{"items":[')) throw new Error(`${path} did not answer with a list.`);
  };
  let n = 0;
  const work = {
    page: () => ask('/certificates'),
    search: () => ask(`/certificates?filter=${encodeURIComponent(`name;${searches[n % searches.length](n++)}`)}`),
  };
  const found = { seedS };
  for (const [name, ask] of Object.entries(work)) {
    await load(ask, { clients: 1, ms: ms / 5 });
    const { latencies } = await load(ask, { clients: 1, ms });
    found[name] = { p50: quantile(latencies, 0.5), p95: quantile(latencies, 0.95), count: latencies.length };
  }
  return found;
}
