import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueBench, makeAuthority } from './issue.mjs';
import { leafBench } from './leaf.mjs';
import { listBench } from './list.mjs';
import { openDatabase } from './postgres.mjs';
import { startProgram } from './program.mjs';
import { machine, rateRow, table, timeRow } from './report.mjs';

/*
 * npm run bench [-- --small]. Without DATABASE_URL an embedded server with durable settings is measured. A missed target is
 * told but does not fail: the verdict depends on the machine. --small only shows that the bench runs.
 */
const sizes = {
  full: { leafS: 5, rounds: 7, roundMs: 3000, count: 100_000, listMs: 4000 },
  small: { leafS: 0.5, rounds: 2, roundMs: 300, count: 1000, listMs: 300 },
};
const size = sizes[process.argv.includes('--small') ? 'small' : 'full'];

async function withProgram(folder, work) {
  const database = await openDatabase(process.env.DATABASE_URL, folder);
  try {
    const dataDir = join(folder, 'program');
    await mkdir(dataDir);
    const program = await startProgram(database.url, dataDir, 16);
    try {
      return await work({ caller: program.caller, databaseUrl: database.url, words: database.words });
    } finally {
      await program.stop();
    }
  } finally {
    await database.stop();
  }
}

async function measure(running) {
  await makeAuthority(running.caller);
  const issue = await issueBench({ ...running, ...size });
  const list = await listBench({ ...running, count: size.count, ms: size.listMs });
  return { issue, list, words: running.words };
}

const folder = await mkdtemp(join(tmpdir(), 'perennial-bench-'));
try {
  const leaf = await leafBench({ seconds: size.leafS });
  const { issue, list, words } = await withProgram(folder, measure);
  console.log(`${machine(words)}\n`);
  console.log(table([
    rateRow('leaves made, against raw signatures', { perS: leaf.leafPerS, baselinePerS: leaf.rawPerS, ratio: leaf.ratio }, 0.6),
    rateRow(`certificates issued and stored over REST, 16 clients, against inserts of ${issue.rowBytes} bytes`, issue, 0.35),
    timeRow('  p50', issue.p50),
    timeRow('  p99', issue.p99),
    timeRow(`first page of ${size.count.toLocaleString('en')} certificates, p95`, list.page.p95, 50),
    timeRow(`search for a part of a name in ${size.count.toLocaleString('en')} certificates, p95`, list.search.p95, 200),
  ]));
} finally {
  await rm(folder, { recursive: true, force: true });
}
