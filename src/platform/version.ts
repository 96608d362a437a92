import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The version of the program, from the nearest package.json above: this file lies in src or, compiled, in dist/src. */
export function version(folder = __dirname): string {
  const file = join(folder, 'package.json');
  if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  if (folder === dirname(folder)) throw new Error('The package.json of the program is missing.');
  return version(dirname(folder));
}
