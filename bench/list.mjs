import { readFileSync } from 'node:fs';
import { seedInventory, settings } from './inventory.mjs';
import { load, quantile } from './load.mjs';
import { query } from './postgres.mjs';

const orders = ['id', 'name', 'owner', 'cn', 'issuer', 'notAfter', 'notBefore', 'dateCreated', 'state'];
/** One host of many, a service of a team, a word that a twentieth of all names hold, and something that is nowhere. */
const words = [
  (n) => `-${String(n * 7919 % 100_000).padStart(7, '0')}.`, (n) => `${['payments', 'gateway', 'shipping'][n % 3]}.prod.team-${n % 50}`,
  (n) => ['payments', 'checkout', 'identity', 'ledger'][n % 4], (n) => `nowhere-${n}`,
];
const hostile = ['e', 'zq', 'x', '.', 'example', 'team-', '%', '0.0', '---', 'qqqqq', 'a.b.c.d', 'www', 'net'];
const metrics = ['bits', 'issuer', 'not_after', 'signing_algorithm'];
const pick = (values, n) => values[n % values.length];
const filter = (field, value) => `?filter=${encodeURIComponent(`${field};${value}`)}`;

/** What is measured: a name, the longest p95 in ms, and the n-th request. */
const questions = ({ cursors, names, pages }) => [
  ['first page', 50, () => ''],
  ['first page by each order', 50, (n) => `?sortBy=${pick(orders, n)}&sortDir=${pick(['asc', 'desc'], n >> 3)}&showExpired=${n % 2}`],
  ['page behind a cursor, anywhere, by each order', 50, (n) => pick(cursors, n)],
  ['page by number, anywhere', undefined, (n) => `?page=${1 + n * 7919 % pages}`],
  ['of an owner', 50, (n) => `?owner=team-${n * 31 % 500}@example.com`],
  ['of an issuer', 50, (n) => filter('issuer', `Bench Root ${n % 50}`)],
  ['by exact name', 50, (n) => filter('fixedName', pick(names, n))],
  ['by serial number', 50, (n) => `?serial=0x${(BigInt(n * 7919) % 1_000_000n + (1n << 62n)).toString(16)}`],
  ['expiring within N weeks', 50, (n) => `?timeRange=${1 + n % 26}`],
  ['at a destination', 50, (n) => filter('destination', 1 + n % 20)],
  ['by a part of a name', 200, (n) => filter('cn', pick(words, n)(n))],
  ['by a part of a name, hostile', undefined, (n) => filter('name', pick(hostile, n))],
  ['by a part of an owner', undefined, (n) => filter('owner', `team-${n % 500}`)],
  ['statistics', 300, (n) => `/stats?metric=${pick(metrics, n)}`],
];

/** Memory of a process in MiB. */
function residentMiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

/**
 * Asks everything that people ask of `count` certificates, one after the other. Latencies in ms by question; the memory of the
 * program before and after.
 */
export async function listBench({ caller, pid, databaseUrl, count, ms }) {
  const [{ id }] = await query(databaseUrl, 'select min(id) as id from certificate');
  const begun = performance.now();
  const url = new URL(databaseUrl);
  url.searchParams.set('options', settings);
  await seedInventory((text, values) => query(url.href, text, values), id, count);
  const seedS = (performance.now() - begun) / 1000;
  const [known] = await query(databaseUrl, `select (select count(*)::int from domain) as names, (select count(*)::int from certificate where not retired) as shown`);
  const ask = async (path) => {
    if (!(await caller.text('GET', `/certificates${path}`)).startsWith('{"items":')) throw new Error(`${path} did not answer with a list.`);
  };
  const samples = await query(databaseUrl, 'select name from certificate where id % greatest(1, $1::int / 200) = 0 limit 200', [count]);
  const inputs = { names: samples.map(({ name }) => name), cursors: await cursorsOf(caller, known.shown), pages: Math.floor(known.shown / 10) };
  const before = residentMiB(pid);
  const found = [];
  for (const [name, target, path] of questions(inputs)) {
    let n = 0;
    await load(() => ask(path(n++)), { clients: 1, ms: ms / 5 });
    const { latencies } = await load(() => ask(path(n++)), { clients: 1, ms });
    found.push({ name, target, p50: quantile(latencies, 0.5), p95: quantile(latencies, 0.95), most: latencies.at(-1), asked: latencies.length });
  }
  return { seedS, names: known.names, found, memory: { before, after: residentMiB(pid) } };
}

/** Pages from the beginning to the end of the list, in every order, both ways. */
async function cursorsOf(caller, shown) {
  const paths = [];
  for (const [i, by] of orders.entries()) {
    for (const share of [0.01, 0.3, 0.6, 0.99]) {
      const dir = pick(['asc', 'desc'], i + Math.round(share * 10));
      const { next } = await caller.json('GET', `/certificates?sortBy=${by}&sortDir=${dir}&short=1&count=1&page=${1 + Math.floor(shown * share)}`);
      if (next !== undefined) paths.push(`?sortBy=${by}&sortDir=${dir}&after=${next}`);
    }
  }
  return paths;
}
