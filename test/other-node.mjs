/**
 * `npm run test:node24` and `test:node26`: the suites on a newer Node than the one that is installed here.
 * Arguments go to vitest. The newest release of that line comes from the npm registry, without an installation.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const [line, ...args] = process.argv.slice(2);
const system = process.platform === 'win32' ? 'win' : process.platform;
const name = `node-${system}-${process.arch}`;
const folder = join(root, 'node_modules/.cache', `node-${line}`);
const node = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

if (!existsSync(node)) {
  const install = ['install', '--no-save', '--ignore-scripts', '--no-package-lock', '--prefix', folder];
  execFileSync('npm', [...install, `${name}@${line}`], { stdio: ['ignore', 'ignore', 'inherit'] });
}
console.log(`Node ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()}`);

const env = { ...process.env, PATH: dirname(node) + delimiter + process.env.PATH };
const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '-c', join(root, 'test/vitest.config.mts')];
const { status } = spawnSync(node, [...vitest, ...args], { cwd: root, env, stdio: 'inherit' });
process.exit(status ?? 1);
