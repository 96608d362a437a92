import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { escapeLines } from './printable.js';

/** Whether a person reads what goes to stderr. */
export const watched = (): boolean => process.stderr.isTTY === true;

/** Columns of the terminal on stdout, or null where there is none. */
export const terminalWidth = (): number | null => process.stdout.columns ?? null;

/** Writes to stdout and resolves when it is out: a program that ends at once would cut a long text off. */
export function print(words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(words, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * A line on stderr: what is for the person, and not for the program that reads stdout. Names in it can be a stranger's.
 */
export function tell(line: string): void {
  process.stderr.write(`${escapeLines(line)}\n`);
}

/** The text of a file, or of stdin when its name is `-`. Throws an Error that names the file. */
export async function readInput(path: string): Promise<string> {
  if (path === '-') return text(process.stdin);
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read (${error.code}).`);
  });
}

/**
 * Asks at the terminal without showing what is typed, and gives the answers; null where stdin is none. Throws when one
 * is missing.
 */
export async function askSecrets(...questions: readonly string[]): Promise<string[] | null> {
  if (process.stdin.isTTY !== true) return null;
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  lines.once('SIGINT', () => lines.close());
  const answers = lines[Symbol.asyncIterator]();
  const given: string[] = [];
  try {
    for (const question of questions) {
      process.stderr.write(question);
      const answer = await answers.next();
      process.stderr.write('\n');
      if (answer.done) throw new Error('Nothing was entered.');
      given.push(answer.value);
    }
    return given;
  } finally {
    lines.close();
  }
}

/** The system's name of who runs this process; with the one behind `sudo`, where root tells that it was used. */
export function operatorName(): string {
  const behind = process.geteuid?.() === 0 ? process.env['SUDO_USER'] : undefined;
  return behind ? `${systemName()} by sudo of ${behind}` : systemName();
}

function systemName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.geteuid?.() ?? 'unknown'}`;
  }
}
