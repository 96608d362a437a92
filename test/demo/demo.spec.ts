import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/program.js';

const longMs = 300_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Demo {
  output(): string;
  kill(signal: NodeJS.Signals): void;
  exitCode: Promise<number | null>;
}

/** Runs the demo with its files in `folder`. */
function startDemo(env: Record<string, string> = {}): Demo {
  const child = spawn(process.execPath, ['test/demo/demo.mjs'], {
    env: { ...process.env, TMPDIR: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  return {
    output: () => output,
    kill: (signal) => child.kill(signal),
    exitCode: once(child, 'close').then(([code]) => code as number | null),
  };
}

/** Numbers of the processes whose command line or environment names `folder`. */
async function processesOf(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
  const named = await Promise.all(
    pids.map(async (pid) =>
      `${await read(`/proc/${pid}/cmdline`)}${await read(`/proc/${pid}/environ`)}`.includes(folder),
    ),
  );
  return pids.filter((_, i) => named[i]);
}

describe.skipIf(process.platform !== 'linux')('the demo', () => {
  it.each<[NodeJS.Signals, RegExp, number]>([
    ['SIGINT', /Make a root authority/, 130],
    ['SIGTERM', /^/, 143],
  ])(
    'leaves nothing behind when %s ends it after %s',
    async (signal, moment, code) => {
      const demo = startDemo();
      const came = eventually(async () => moment.test(demo.output()) && (await readdir(folder)).length > 0, longMs);
      await Promise.race([came, demo.exitCode]);
      demo.kill(signal);
      expect(await demo.exitCode).toBe(code);
      expect(demo.output()).not.toMatch(/FAILED|Unexpected|Error/);
      expect(await processesOf(folder)).toEqual([]);
      expect(await readdir(folder)).toEqual([]);
    },
    longMs,
  );

  it(
    'fails with what was expected and what was seen',
    async () => {
      const tools = await mkdtemp(join(tmpdir(), 'tools-'));
      await writeFile(join(tools, 'openssl'), '#!/bin/sh\necho all is well\n');
      await chmod(join(tools, 'openssl'), 0o755);
      const demo = startDemo({ PATH: `${tools}:${process.env.PATH ?? ''}` });
      expect(await demo.exitCode).toBe(1);
      await rm(tools, { recursive: true });
      expect(demo.output()).toMatch(
        /s_client +FAILED\n.*\n +expected: .*return code: 0.*\n +seen: +all is well\n +The last lines of the program:/,
      );
      expect(await processesOf(folder)).toEqual([]);
      expect(await readdir(folder)).toEqual([]);
    },
    longMs,
  );
});
