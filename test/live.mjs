/**
 * `npm run test:live`: the suites in test/live, each against a real CA on this machine. Arguments name suites
 * (`npm run test:live -- pebble`); without any, all run. A suite whose CA is missing is skipped and says why; a suite
 * that was named and is skipped fails the run.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const ending = '.live.ts';
const known = readdirSync(join(root, 'test/live'))
  .filter((file) => file.endsWith(ending))
  .map((file) => basename(file, ending))
  .sort();
const named = process.argv.slice(2);
const unknown = named.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`There is no live suite ${unknown.join(', ')}; there are: ${known.join(', ')}.`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'perennial-live-'));
const report = join(folder, 'report.json');
const chosen = named.length > 0 ? named : known;
const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '-c', join(root, 'test/vitest.live.config.mts')];
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
const files = chosen.map((name) => `test/live/${name}${ending}`);
const { status } = spawnSync(process.execPath, [...vitest, ...reporters, ...files], { cwd: root, stdio: 'inherit' });

let failed = status !== 0;
try {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  console.log();
  for (const { name, assertionResults } of testResults) {
    const suite = basename(name, ending);
    const count = (state) => assertionResults.filter((test) => test.status === state).length;
    const passed = count('passed');
    const skipped = assertionResults.length - passed - count('failed');
    const didNotRun = passed + count('failed') === 0;
    if (didNotRun && named.includes(suite)) failed = true;
    const [, why = 'it has no test'] =
      /\(skipped: (.*)\)/s.exec(assertionResults[0]?.ancestorTitles.join(' ') ?? '') ?? [];
    console.log(
      didNotRun
        ? `${suite}: did not run: ${why}`
        : `${suite}: ${passed} passed, ${count('failed')} failed, ${skipped} skipped`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(Number(failed));
