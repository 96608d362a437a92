import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { adminPassword } from './program.js';

const run = promisify(execFile);
const root = join(__dirname, '../..');

/** A command of a page, and the answer that the page shows; empty: none. */
export interface PageCommand {
  command: string;
  shown: string;
}

/** A document of the repository; `path` begins at its root. */
export function document(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The code blocks of a document that are marked with this word, in order. */
export function blocksOf(markdown: string, word: string): string[] {
  return [...markdown.matchAll(/^```(\S+)\n([^]*?)^```$/gm)].flatMap(([, mark, block = '']) =>
    mark === word ? [block] : [],
  );
}

/** What stands below a heading, until the next one of its rank. Throws when the document has no such heading. */
export function sectionOf(markdown: string, heading: string): string {
  const [, section] = markdown.split(`\n## ${heading}\n`);
  if (section === undefined) throw new Error(`There is no heading ${heading}.`);
  return section.split(/^## /m)[0] ?? '';
}

/** The commands in a copy of a page: lines behind a prompt, gone on with by lines that begin with `>`. */
export function pageCommands(file: string): PageCommand[] {
  const lines = document(`test/fixtures/dialects/${file}`).split('\n');
  return commandsIn(lines, /^\S+@\S+[$#] /, (_, line) => line.startsWith('>')).map(({ command, shown }) => ({
    command: command.replaceAll('\n>', '\n'),
    shown: shown.replaceAll('\n', ''),
  }));
}

/** The commands of the `console` blocks. Lines that are indented, and a here-document, belong to the command above. */
export function consoleCommands(markdown: string): PageCommand[] {
  const goesOn = (command: string, line: string): boolean => {
    const [, end] = /<<'(\w+)'/.exec(command) ?? [];
    return line.startsWith('    ') || (end !== undefined && !command.endsWith(`\n${end}`));
  };
  return blocksOf(markdown, 'console').flatMap((block) => commandsIn(block.split('\n'), /^\$ /, goesOn));
}

function commandsIn(
  lines: readonly string[],
  prompt: RegExp,
  goesOn: (command: string, line: string) => boolean,
): PageCommand[] {
  const commands: PageCommand[] = [];
  for (const line of lines) {
    const last = commands.at(-1);
    if (prompt.test(line)) commands.push({ command: line.replace(prompt, ''), shown: '' });
    else if (last?.shown === '' && goesOn(last.command, line)) last.command += `\n${line}`;
    else if (last && line !== '') last.shown += `${line}\n`;
  }
  return commands;
}

/** The functions of the README's story, and its sign-in. */
export function preparation(): string[] {
  const [functions = '', signIn = ''] = blocksOf(document('README.md'), 'sh');
  return [functions, signIn.split('\n')[0] ?? ''];
}

/** Runs it in a folder as a person at a shell would, and gives what it wrote. Throws when it fails or waits forever. */
export async function runCommand(command: string, folder: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const options = { cwd: folder, env: { ...process.env, ...env }, timeout: 240_000 };
  try {
    return (await run('bash', ['-euo', 'pipefail', '-c', command], options)).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`The commands failed. They printed: ${stdout}\n${stderr}`, { cause: error });
  }
}

/** Runs commands in one shell; gives what each printed, with a newline behind it. Throws when one fails. */
export async function outputsOf(
  commands: readonly string[],
  folder: string,
  env: NodeJS.ProcessEnv = {},
): Promise<string[]> {
  return (await runCommand(commands.join('\necho; echo ----\n'), folder, env)).split('----\n');
}

/** Where a page is followed. `replaced`: what the page names, and what has that name here; each must be in the page. */
export interface PageStage {
  program: { url: string };
  folder: string;
  replaced?: Readonly<Record<string, string>>;
  env?: NodeJS.ProcessEnv;
}

/** Runs the commands after the preparation of the README, and expects each to print what the page shows. */
export async function expectFollowed(commands: readonly PageCommand[], stage: PageStage): Promise<void> {
  const { program, folder, replaced = {}, env = {} } = stage;
  const written = commands.map(({ command }) => command).join('\n');
  expect(Object.keys(replaced).filter((name) => !written.includes(name))).toEqual([]);
  const here = commands.map(({ command }) =>
    Object.entries(replaced).reduce((text, [theirs, ours]) => text.replaceAll(theirs, ours), command),
  );
  const account = { PERENNIAL: program.url, PASSWORD: adminPassword };
  const outputs = await outputsOf([...preparation(), ...here], folder, { ...account, ...env });
  const printed = outputs.slice(2).map(trimmed);
  expect(commands.map(({ command }, at) => [command, printed[at]])).toEqual(
    commands.map(({ command, shown }) => [command, trimmed(shown)]),
  );
}

/** Without blank lines and white space at the end of lines. */
function trimmed(text: string): string {
  return text.replaceAll(/[ \n]+$/gm, '');
}
