/**
 * `npm run test:chaos -- --seed N [--certificates 1200] [--minutes 0.75]`: the chaos suite, larger and longer than in
 * `npm test`. The seed gives the same faults in the same order; when they strike differs from run to run. The line that
 * begins with `chaos seed` sums the run up.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    certificates: { type: 'string', default: '1200' },
    minutes: { type: 'string', default: '0.75' },
  },
});
const wrong = Object.entries(values).filter(([, value]) => !(Number(value) >= 0));
if (wrong.length > 0) {
  console.error(`Not a number: ${wrong.map(([name, value]) => `--${name} ${value}`).join(', ')}`);
  process.exit(2);
}

const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const config = join(root, 'test/vitest.config.mts');
const run = ['run', 'test/chaos/chaos.spec.ts', '-c', config, '--disable-console-intercept'];
const { status } = spawnSync(process.execPath, [vitest, ...run], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    CHAOS_SEED: values.seed,
    CHAOS_CERTIFICATES: values.certificates,
    CHAOS_MINUTES: values.minutes,
  },
});
process.exit(status ?? 1);
