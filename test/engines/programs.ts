import { execFile } from 'node:child_process';
import type { Verdict } from './kinds.js';

/** A verdict, or what the engine said where no verdict is known for it. */
export type Said = Verdict | `? ${string}`;

/** Runs a program in `folder`: what it wrote to stdout and stderr, whether it succeeded or not. */
export function run(folder: string, program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd: folder, timeout: 280_000, maxBuffer: 16_777_216 }, (error, stdout, stderr) => {
      if (error && (typeof error.code === 'string' || error.killed)) reject(new Error(error.message, { cause: error }));
      else resolve(`${stdout}${stderr}`);
    });
  });
}

/** The verdict of the first pattern that is found in the text. */
export function verdictIn(text: string, table: readonly (readonly [RegExp, Verdict])[]): Said {
  return table.find(([pattern]) => pattern.test(text))?.[1] ?? `? ${text.trim().slice(-300)}`;
}
