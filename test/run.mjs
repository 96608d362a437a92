/**
 * `npm test`: types, lint, then every suite, before which the program is built. Stops at the first stage that fails,
 * and ends with the line
 * `N passed, N failed, N skipped`, in which each of the first two stages counts as one. Arguments go to vitest.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingPackages } from './missing-packages.mjs';

const root = new URL('..', import.meta.url).pathname;
const graceMs = 10_000;
let running = null;
let stoppedBy = null;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    stoppedBy ??= signal;
    if (running === null) return;
    const group = running;
    killGroup(group, 'SIGTERM');
    setTimeout(killGroup, graceMs, group, 'SIGKILL').unref();
  });
}

/** To everything that a stage has started: it leads a process group of its own. */
function killGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Whether the program ended well. Nothing of its process group outlives it. */
async function succeeds(command, args, env = process.env) {
  if (stoppedBy !== null) return false;
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
  running = child.pid ?? null;
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`${command} cannot be started: ${error.message}`);
      resolve(1);
    });
    child.once('exit', resolve);
  });
  if (running !== null) killGroup(running, 'SIGKILL');
  running = null;
  return code === 0;
}

async function runScript(name) {
  console.log(`\n# ${name}`);
  const passed = await succeeds('npm', ['run', '--silent', name]);
  return passed ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

async function runSuites() {
  console.log('\n# suites');
  // Suites that are killed leave files behind; here all of them go.
  const folder = await mkdtemp(join(tmpdir(), 'perennial-'));
  // Some run programs as other users, who must be able to pass.
  await chmod(folder, 0o711);
  const report = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=test/stuck-files.mjs'];
  const counted = ['--reporter=json', `--outputFile.json=${report}`];
  const vitest = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '-c',
    'test/vitest.config.mts',
    ...reporters,
    ...counted,
    ...process.argv.slice(2),
  ];
  try {
    const passed = await succeeds(process.execPath, vitest, { ...process.env, TMPDIR: folder });
    const counts = await readFile(report, 'utf8').then(
      (text) => countTests(JSON.parse(text)),
      () => ({ passed: 0, failed: 0, skipped: 0 }),
    );
    // Errors outside of any test fail the run, too.
    return passed || counts.failed > 0 ? counts : { ...counts, failed: 1 };
  } finally {
    // What was killed may still be writing: up to 20 seconds.
    await rm(folder, { recursive: true, force: true, maxRetries: 20 });
  }
}

/** A file that could not be loaded has no tests, and counts as one failure. */
function countTests({ testResults: files }) {
  const tests = files.flatMap((file) => file.assertionResults.map((test) => test.status));
  const broken = files.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  );
  const passed = tests.filter((status) => status === 'passed').length;
  const failed = tests.filter((status) => status === 'failed').length;
  return { passed, failed: failed + broken.length, skipped: tests.length - passed - failed };
}

const lacking = missingPackages();
if (lacking.length > 0)
  console.warn(`Some tests need programs that are not installed here; on Debian: apt-get install ${lacking.join(' ')}`);

const total = { passed: 0, failed: 0, skipped: 0 };
for (const stage of [() => runScript('types'), () => runScript('lint'), runSuites]) {
  const counts = await stage();
  for (const key of Object.keys(total)) total[key] += counts[key];
  if (total.failed > 0) break;
}

console.log(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = stoppedBy !== null ? 128 + constants.signals[stoppedBy] : Number(total.failed > 0);
