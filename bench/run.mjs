import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { issueBench } from './issue.mjs';
import { leafBench } from './leaf.mjs';
import { listBench } from './list.mjs';
import { openServer } from './postgres.mjs';
import { issueTable, machine, memoryRow, rateRow, stage, table, timeRow } from './report.mjs';

/*
 * npm run bench [-- --small | --rows N] [--only issue] [--baseline DIR]. README.md says what the figures mean. A missed
 * target is reported but does not fail the run: it depends on the machine. --small only checks that the bench runs.
 */
const sizes = {
  full: {
    leafS: 5,
    roundMs: 3000,
    count: 1_000_000,
    listMs: 4000,
    rounds: 7,
    warmUp: 1000,
    steadyRounds: 12,
    perRound: 1000,
  },
  small: { leafS: 0.5, roundMs: 300, count: 1000, listMs: 300, rounds: 2, warmUp: 20, steadyRounds: 3, perRound: 50 },
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
  ...(asked.rows && { count: Number(asked.rows) }),
  ...(asked.rounds && { rounds: Number(asked.rounds) }),
};
const build = fileURLToPath(new URL('..', import.meta.url));

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
  const issue = await issueBench({ server, folders, build, baseline, ...size });
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

const folder = await mkdtemp(join(tmpdir(), 'perennial-bench-'));
const server = await openServer(process.env.DATABASE_URL, folder);
try {
  const leaf = asked.only === 'issue' ? null : await leafBench({ seconds: size.leafS });
  const { issue, list } = await measure(server, foldersIn(folder));
  console.log(`${machine(server.words)}\n`);
  console.log(`${issueTable(issue)}\n`);
  if (leaf && list)
    console.log(
      table([
        rateRow(
          'leaves issued, against raw signatures',
          { perS: leaf.leafPerS, baselinePerS: leaf.rawPerS, ratio: leaf.ratio },
          0.6,
        ),
        ...listRows(list),
      ]),
    );
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
