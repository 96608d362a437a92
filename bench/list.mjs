import { createRequire } from 'node:module';
import { seedInventory, settings } from './inventory.mjs';
import { issueNew } from './issue.mjs';
import { load, quantile } from './load.mjs';
import { memoryBench, residentMiB } from './memory.mjs';
import { query } from './postgres.mjs';
import { stage } from './report.mjs';

const require = createRequire(import.meta.url);
const { certificateOrders } = require('../dist/src/certificates/list/list.schema.js');
const { encodeCursor } = require('../dist/src/platform/http/cursor.js');

const orders = ['id', 'name', 'owner', 'cn', 'issuer', 'notAfter', 'notBefore', 'dateCreated', 'lifecycle'];
/** One host of many, a service of a team, a word in a twentieth of all names, and a text in none. */
const words = [
  (n) => `-${String((n * 7919) % 1_000_000).padStart(7, '0')}.`,
  (n) => `${['payments', 'gateway', 'shipping'][n % 3]}.prod.team-${n % 50}`,
  (n) => ['payments', 'checkout', 'identity', 'ledger'][n % 4],
  (n) => `nowhere-${n}`,
];
const hostile = ['e', 'zq', 'x', '.', 'example', 'team-', '%', '0.0', '---', 'qqqqq', 'a.b.c.d', 'www', 'net'];
const metrics = ['bits', 'issuer', 'not_after', 'signing_algorithm'];
const pick = (values, n) => values[n % values.length];
const filter = (field, value) => `?filter=${encodeURIComponent(`${field};${value}`)}`;

/** The measured requests: name, maximum p95 in ms, and the n-th request. */
const questions = ({ samples, pages }) => [
  ['first page', 50, () => ''],
  [
    'first page by each order',
    50,
    (n) => `?sortBy=${pick(orders, n)}&sortDir=${pick(['asc', 'desc'], n >> 3)}&showExpired=${n % 2}`,
  ],
  ['page after a cursor, anywhere, by each order', 50, (n) => pageAfter(samples, n)],
  ['page by number, anywhere', undefined, (n) => `?page=${1 + ((n * 7919) % pages)}`],
  ['of an owner', 50, (n) => `?owner=team-${(n * 31) % 500}@example.com`],
  ['of an issuer', 50, (n) => filter('issuer', `Bench Root ${n % 50}`)],
  ['by exact name', 50, (n) => filter('fixedName', pick(samples, n).name)],
  ['by serial number', 50, (n) => `?serial=0x${((BigInt(n * 7919) % 1_000_000n) + (1n << 62n)).toString(16)}`],
  ['expiring within N weeks', 50, (n) => `?timeRange=${1 + (n % 26)}`],
  ['at a destination', undefined, (n) => filter('destination', 1 + (n % 20))],
  ['by a part of a name', 200, (n) => filter('cn', pick(words, n)(n))],
  ['by a part of a name, hostile', undefined, (n) => filter('name', pick(hostile, n))],
  ['by a part of an owner', undefined, (n) => filter('owner', `team-${n % 500}`)],
  ['statistics', 300, (n) => `/stats?metric=${pick(metrics, n)}`],
];

/** Seeds `count` certificates and measures lists. */
export async function listBench({ databaseUrl, count, ...running }) {
  const [{ id }] = await query(databaseUrl, 'select min(id) as id from certificate');
  const url = new URL(databaseUrl);
  url.searchParams.set('options', settings);
  stage(`seeding ${count.toLocaleString('en')} certificates`);
  const begun = performance.now();
  await seedInventory((text, values) => query(url.href, text, values), id, count);
  return { seedS: (performance.now() - begun) / 1000, ...(await askLists({ databaseUrl, ...running })) };
}

/**
 * Measures every list request, one kind after the other, then all kinds mixed with issuing. Returns latencies in ms by
 * kind, the memory of the program before and after, and the result of `memoryBench` for the mixed part.
 */
export async function askLists({ caller, pid, databaseUrl, ms, ...steady }) {
  const [known] = await query(
    databaseUrl,
    `select (select count(*)::int from domain) as names, count(*) filter (where not retired)::int as shown
      from certificate`,
  );
  const ask = async (path) => {
    if (!(await caller.text('GET', `/certificates${path}`)).startsWith('{"items":'))
      throw new Error(`${path} did not answer with a list.`);
  };
  const samples = await query(
    databaseUrl,
    `
    select c.id, c.name, ${orders.map((by) => `${certificateOrders[by].sql}::text as "${by}-value"`).join(', ')}
    from certificate c tablesample system ($1) where not retired and name like '%-Bench-seed' order by random()
    limit 300`,
    [Math.min(100, 1_000_000 / known.shown)],
  );
  const asked = questions({ samples, pages: Math.max(1, Math.floor(known.shown / 10)) });
  let n = 0;
  stage('warming up');
  for (const [, , path] of asked) await load(() => ask(path(n++)), { clients: 1, ms: ms / 3 });
  const found = [];
  const before = residentMiB(pid);
  stage('measuring one kind of request after the other');
  for (const [name, target, path] of asked) {
    const { latencies } = await load(() => ask(path(n++)), { clients: 1, ms });
    found.push({
      name,
      target,
      p50: quantile(latencies, 0.5),
      p95: quantile(latencies, 0.95),
      most: latencies.at(-1),
      asked: latencies.length,
    });
  }
  const memory = { before, after: residentMiB(pid) };
  stage('measuring memory under all kinds of requests');
  const mixed = (i) => (i % 10 === 9 ? issueNew(caller, i) : ask(pick(asked, i)[2](n++)));
  return { names: known.names, found, memory, steady: await memoryBench({ pid, work: mixed, ...steady }) };
}

/** A page after the cursor of a random certificate, in a random order. */
function pageAfter(samples, n) {
  const [by, dir, sample] = [pick(orders, n), pick(['asc', 'desc'], n >> 4), pick(samples, n * 7)];
  const cursor = { order: `${by} ${dir}`, value: sample[`${by}-value`], id: String(sample.id) };
  return `?sortBy=${by}&sortDir=${dir}&after=${encodeCursor(cursor)}`;
}
