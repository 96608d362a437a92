import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { issueBench, makeAuthority } from './issue.mjs';
import { leafBench } from './leaf.mjs';
import { listBench } from './list.mjs';
import { openDatabase } from './postgres.mjs';
import { startProgram } from './program.mjs';
import { machine, memoryRow, rateRow, stage, table, timeRow } from './report.mjs';

/*
 * npm run bench [-- --small | --rows N]. Lists are measured with a million certificates by default. Without
 * DATABASE_URL the bench starts an embedded server with durable settings. A missed target is reported but does not fail
 * the run: it depends on the machine. --small only checks that the bench runs.
 */
const sizes = {
  full: { leafS: 5, roundMs: 3000, count: 1_000_000, listMs: 4000, rounds: 7, steadyRounds: 12, perRound: 1000 },
  small: { leafS: 0.5, roundMs: 300, count: 1000, listMs: 300, rounds: 2, steadyRounds: 3, perRound: 50 },
};
const { values: asked } = parseArgs({ options: { small: { type: 'boolean' }, rows: { type: 'string' } } });
const size = { ...sizes[asked.small ? 'small' : 'full'], ...(asked.rows && { count: Number(asked.rows) }) };

/** Memory within this ratio of its start has not grown. */
const flat = 1.1;

async function withProgram(folder, work) {
  const database = await openDatabase(process.env.DATABASE_URL, folder);
  try {
    const dataDir = join(folder, 'program');
    await mkdir(dataDir);
    const program = await startProgram(database.url, dataDir, 16);
    try {
      return await work({ caller: program.caller, pid: program.pid, databaseUrl: database.url, words: database.words });
    } finally {
      await program.stop();
    }
  } finally {
    await database.stop();
  }
}

async function measure(running) {
  stage('issuing');
  await makeAuthority(running.caller);
  const issue = await issueBench({ ...running, ...size });
  const list = await listBench({
    ...running,
    count: size.count,
    ms: size.listMs,
    rounds: size.steadyRounds,
    perRound: size.perRound,
  });
  return { issue, list, words: running.words };
}

const folder = await mkdtemp(join(tmpdir(), 'perennial-bench-'));
try {
  stage('making leaves');
  const leaf = await leafBench({ seconds: size.leafS });
  const { issue, list, words } = await withProgram(folder, measure);
  console.log(`${machine(words)}\n`);
  console.log(
    table([
      rateRow(
        'leaves issued, against raw signatures',
        { perS: leaf.leafPerS, baselinePerS: leaf.rawPerS, ratio: leaf.ratio },
        0.6,
      ),
      rateRow(
        `certificates issued and stored over REST, 16 clients, against inserts of ${issue.rowBytes} bytes`,
        issue,
        0.35,
      ),
      timeRow('  p50', issue.p50),
      timeRow('  p99', issue.p99),
      [
        `${size.count.toLocaleString('en')} certificates, ${list.names.toLocaleString('en')} names: made in`,
        `${Math.round(list.seedS)} s`,
        '',
        '',
        '',
        '',
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
        '',
        '',
        '',
        '',
      ],
    ]),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
