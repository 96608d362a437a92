import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A command of a page, and the answer that the page shows; empty: none. */
export interface PageCommand {
  command: string;
  shown: string;
}

const prompt = /^\S+@\S+[$#] /;

/** The commands in a copy of a page: lines behind a prompt, gone on with by lines that begin with `>`. */
export function pageCommands(file: string): PageCommand[] {
  const commands: PageCommand[] = [];
  for (const line of readFileSync(join(__dirname, '../fixtures/dialects', file), 'utf8').split('\n')) {
    const last = commands.at(-1);
    if (prompt.test(line)) commands.push({ command: line.replace(prompt, ''), shown: '' });
    else if (last && line.startsWith('>')) last.command += `\n${line.slice(1)}`;
    else if (last && line !== '') last.shown += line;
  }
  return commands;
}

/** Runs it in a folder as a person at a shell would, and gives what it wrote. Throws when it fails. */
export async function runCommand(command: string, folder: string): Promise<string> {
  return (await run('bash', ['-euo', 'pipefail', '-c', command], { cwd: folder })).stdout;
}
