import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A reload command that waits until it is let through, and leaves a mark when it begins and when it ends. */
export interface Gate {
  /** For RELOAD_COMMANDS: the command is called `gate`. */
  commands: string;
  open(): Promise<void>;
  shut(): Promise<void>;
  /** `begin` and `end` in the order in which they happened. */
  marks(): Promise<string[]>;
  remove(): Promise<void>;
}

/** A new gate, open. */
export async function createGate(): Promise<Gate> {
  const folder = await mkdtemp(join(tmpdir(), 'perennial-gate-'));
  const [bar, log] = [join(folder, 'bar'), join(folder, 'log')];
  const script = `echo begin >> ${log}; while [ -e ${bar} ]; do sleep 0.05; done; echo end >> ${log}`;
  await writeFile(log, '');
  return {
    commands: JSON.stringify({ gate: ['/bin/sh', '-c', script] }),
    open: () => rm(bar, { force: true }),
    shut: () => writeFile(bar, ''),
    marks: async () =>
      (await readFile(log, 'utf8'))
        .trimEnd()
        .split('\n')
        .filter((line) => line !== ''),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
