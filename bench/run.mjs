import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { crlBench } from './crl.mjs';
import { issueBench } from './issue.mjs';
import { leafBench } from './leaf.mjs';
import { lifecycleBench } from './lifecycle.mjs';
import { listBench } from './list.mjs';
import { ocspBench } from './ocsp.mjs';
import { openServer } from './postgres.mjs';
import { issueTable, machine, memoryRow, ocspTable, rateRow, stage, table, timeRow } from './report.mjs';
import { scanBench } from './scan.mjs';
import { waitingBench } from './waiting.mjs';

/*
 * npm run bench [-- --small | --rows N] [--only issue|lists|crl|ocsp|lifecycle|scan] [--baseline DIR]. README.md says
 * what the figures mean. A missed target is reported but does not fail the run: it depends on the machine. --small only
 * checks that the bench runs; --rows N sets the size of the inventory, a tenth of which is renewed.
 */
const sizes = {
  full: {
    leafS: 5,
    roundMs: 3000,
    ocspMs: 5000,
    count: 1_000_000,
    listMs: 4000,
    rounds: 7,
    warmUp: 1000,
    steadyRounds: 12,
    perRound: 1000,
    crls: [100_000, 1_000_000],
    rotations: 100_000,
    dueAtOnce: 10_000,
    waiting: 160,
    sockets: 10_000,
  },
  small: {
    leafS: 0.5,
    roundMs: 300,
    ocspMs: 300,
    count: 1000,
    listMs: 300,
    rounds: 2,
    warmUp: 20,
    steadyRounds: 3,
    perRound: 50,
    crls: [100, 1000],
    rotations: 60,
    dueAtOnce: 50,
    waiting: 8,
    sockets: 70,
  },
};
const { values: asked } = parseArgs({
  options: {
    small: { type: 'boolean' },
    rows: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    baseline: { type: 'string' },
  },
});
const size = {
  ...sizes[asked.small ? 'small' : 'full'],
  ...(asked.rows && { count: Number(asked.rows), rotations: Math.ceil(Number(asked.rows) / 10) }),
  ...(asked.rounds && { rounds: Number(asked.rounds) }),
};
const build = fileURLToPath(new URL('..', import.meta.url));

/** TLS servers a second that a scan must reach. */
const scansPerS = 500;
/** Memory within this ratio of its start has not grown. */
const flat = 1.1;

/** Makes numbered folders in `folder`. */
function foldersIn(folder) {
  let made = 0;
  return async () => {
    const path = join(folder, `program-${(made += 1)}`);
    await mkdir(path);
    return path;
  };
}

async function measure(server, folders) {
  const baseline = asked.baseline && resolve(asked.baseline);
  // The lists need a program that has issued, and no figures about that.
  const issuing = asked.only === 'lists' ? { ...size, rounds: 1 } : size;
  const issue = await issueBench({ server, folders, build, baseline, ...issuing });
  const { running } = issue;
  try {
    if (asked.only === 'issue') return { issue };
    const { caller, pid, databaseUrl } = running;
    const { count, listMs: ms, steadyRounds, perRound } = size;
    const list = await listBench({ caller, pid, databaseUrl, count, ms, rounds: steadyRounds, perRound });
    return { issue, list };
  } finally {
    await running.stop();
  }
}

function listRows(list) {
  return [
    [
      `${size.count.toLocaleString('en')} certificates, ${list.names.toLocaleString('en')} names: made in`,
      `${Math.round(list.seedS)} s`,
    ],
    ...list.found.map(({ name, p95, target }) => timeRow(`  ${name}, p95`, p95, target)),
    memoryRow('  memory of the program (RSS), after against before', list.memory.after, list.memory.before),
    memoryRow(
      `  the same, ${list.steady.requests.toLocaleString('en')} requests mixed, ` +
        'every tenth a new certificate: last third against first',
      list.steady.last,
      list.steady.first,
      flat,
    ),
    [
      `    grows by, a thousand requests (${list.steady.seen.map(Math.round).join(' ')})`,
      `${list.steady.perThousand.toFixed(1)} MiB`,
    ],
  ];
}

/** The time and the p99 of a health request meanwhile; the larger the list, the more time it may take. */
function crlRows(results) {
  return results.flatMap(({ size, made, octets, ocspMs, crlMs, signMs, opensslPerS, megabytesPerS, ofBare }) => [
    timeRow(`CRL of ${size.toLocaleString('en')} entries: made`, made.ms, Math.max(500, size / 200)),
    timeRow('  one raw signature over its octets', signMs),
    ['  signatures of one core (openssl speed ecdsap256)', opensslPerS ? rate(opensslPerS) : 'no openssl'],
    timeRow('  p99 of a health request meanwhile', made.healthP99, 50),
    timeRow('  from a revocation until OCSP tells it', ocspMs, 5000),
    timeRow('  from a revocation until the CRL tells it', crlMs, 5000),
    [
      `  ${(octets / 1e6).toFixed(1)} MB, served to 64 clients, against a server that does nothing else`,
      `${Math.round(megabytesPerS).toLocaleString('en')} MB/s`,
      `${Math.round(megabytesPerS / ofBare).toLocaleString('en')} MB/s`,
      ofBare.toFixed(2),
    ],
  ]);
}

function lifecycleRows({ rotation, sweeps, ledger }, waiting) {
  const held = size.count.toLocaleString('en');
  return [
    rateRow(`renewals of the local CA, ${size.rotations.toLocaleString('en')} due, against issuing`, rotation, 0.6),
    rateRow(`renewals at a CA that takes 2 s for each answer, two workers against one`, waiting, 1.7),
    ...sweeps.map(({ due, ms }) => timeRow(`sweep of ${held} certificates, ${due.toLocaleString('en')} due`, ms, 2000)),
    timeRow(
      `ledger: ${ledger.notices.toLocaleString('en')} notices of ${ledger.due.toLocaleString('en')} certificates`,
      ledger.seconds * 1000,
      60_000,
    ),
    memoryRow('  memory of the program (RSS) meanwhile, at most, against before', ledger.most, ledger.before),
  ];
}

function scanRows(results) {
  return results.flatMap(({ probeVersions, perS, cpuMs }) => [
    [
      `TLS scan of ${size.sockets.toLocaleString('en')} sockets${probeVersions ? ', and of their versions' : ''}`,
      rate(perS),
      '',
      '',
      probeVersions ? '' : `≥ ${rate(scansPerS)}`,
      probeVersions ? '' : perS >= scansPerS ? 'ok' : 'missed',
    ],
    timeRow('  CPU of the program for each', cpuMs),
  ]);
}

function leafRow({ leafPerS, rawPerS, ratio }) {
  return rateRow('leaves issued, against raw signatures', { perS: leafPerS, baselinePerS: rawPerS, ratio }, 0.6);
}

const rate = (perS) => `${Math.round(perS).toLocaleString('en')}/s`;

const folder = await mkdtemp(join(tmpdir(), 'perennial-bench-'));
const server = await openServer(process.env.DATABASE_URL, folder);
try {
  const folders = foldersIn(folder);
  const wants = (what) => asked.only === undefined || asked.only === what;
  const crls = wants('crl') ? await crlBench({ server, folders, build, sizes: size.crls, ms: size.roundMs }) : [];
  const ocsp = wants('ocsp') ? await ocspBench({ server, folders, build, ms: size.ocspMs }) : null;
  const lifecycle = wants('lifecycle') ? await lifecycleBench({ server, folders, build, ...size }) : null;
  const waiting = lifecycle && (await waitingBench({ server, folders, build, count: size.waiting }));
  const scans = wants('scan') ? await scanBench({ server, folders, build, ...size }) : [];
  const leaf = asked.only !== undefined ? null : await leafBench({ seconds: size.leafS });
  const { issue, list } = ['crl', 'ocsp', 'lifecycle', 'scan'].includes(asked.only)
    ? {}
    : await measure(server, folders);
  console.log(`${machine(server.words)}\n`);
  if (issue && asked.only !== 'lists') console.log(`${issueTable(issue)}\n`);
  if (ocsp) console.log(`${ocspTable(ocsp)}\n`);
  if (crls.length > 0) console.log(`${table(crlRows(crls))}\n`);
  if (lifecycle) console.log(`${table(lifecycleRows(lifecycle, waiting))}\n`);
  if (scans.length > 0) console.log(`${table(scanRows(scans))}\n`);
  if (leaf) console.log(`${table([leafRow(leaf)])}\n`);
  if (list) console.log(table(listRows(list)));
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
