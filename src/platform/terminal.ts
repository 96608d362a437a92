import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { escapeLines } from './printable.js';

/** Whether stderr is a terminal. */
export const watched = (): boolean => process.stderr.isTTY === true;

/** Width of the terminal on stdout; null when stdout is no terminal. */
export const terminalWidth = (): number | null => process.stdout.columns ?? null;

/** Writes to stdout and resolves once it is flushed: an exit before that would truncate a long text. */
export function print(words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(words, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * A line on stderr, for the person and not for a program that reads stdout. Names in it may come from outside.
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
 * Prompts at the terminal without echo and returns the answers; null when stdin is no terminal. Throws when an answer
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

/** The system user of this process; under `sudo`, with the user who called it. */
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
