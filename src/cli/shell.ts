import { Config, configFromEnvironment } from '../platform/config.js';
import { randomUUID } from 'node:crypto';
import { type Actor, systemActor } from '../platform/http/actor.js';
import { createLog, type Log } from '../platform/log.js';
import { problemOf } from '../platform/http/problem-of.js';
import { exitWith, quietLibraries } from '../platform/process.js';
import { escapeLines } from '../platform/printable.js';
import { operatorName, print, tell } from '../platform/terminal.js';
import { explain } from '../explain.js';
import { Progress } from './progress.js';

/** The options of every command. */
export interface ShellOptions {
  json?: boolean;
  verbose?: boolean;
}

/** One run of the command line: its user, settings, output and exit status. */
export class Shell {
  readonly json: boolean;
  /** Has the rights of an administrator. The audit log records the name of the system user. */
  readonly actor: Actor = { ...systemActor(`cli-${randomUUID()}`), username: `system (${operatorName()})` };
  private readonly verbose: boolean;
  private status = 0;
  private answered = false;
  private readonly interruption = new AbortController();

  constructor({ json = false, verbose = false }: ShellOptions) {
    this.json = json;
    this.verbose = verbose;
  }

  /** The settings of the program, with a role that runs no jobs. Throws ConfigError. */
  config(): Config {
    return new Config({ ...configFromEnvironment(), role: 'api' });
  }

  /** A log on stderr: errors only, unless the command is verbose. */
  log({ logLevel }: Config): Log {
    return createLog(this.verbose ? logLevel : logLevel === 'silent' ? 'silent' : 'error', {
      write: (line) => tell(line.trimEnd()),
    });
  }

  /** Prints the result of the command, once: `value` with `--json`, else `words`. */
  async answer(value: unknown, words: string): Promise<void> {
    this.answered = true;
    const text = this.json ? JSON.stringify(value, null, 2) : words;
    if (text !== '') await print(`${escapeLines(text)}\n`);
  }

  /** Prints one line on stderr. */
  note(line: string): void {
    tell(line);
  }

  /** Makes the command end with status 1 although it completed. */
  fail(): void {
    this.status = 1;
  }

  /** Marks the command as interrupted. Later failures are consequences and are not printed. */
  interrupt(): void {
    this.interruption.abort(new Error('Interrupted.'));
  }

  /** Aborted when the command is interrupted. */
  get signal(): AbortSignal {
    return this.interruption.signal;
  }

  /** A progress bar on stderr; none with `--json`. */
  progress(label: string, total: number): Progress {
    return new Progress(label, total, !this.json);
  }

  /** Runs the command and ends the process with its exit status. */
  async run(work: () => Promise<void>): Promise<void> {
    quietLibraries();
    try {
      await work();
    } catch (error) {
      if (this.signal.aborted) return;
      this.status = 1;
      tell(explain(error));
      if (this.json && !this.answered) await this.answer({ error: wordsOf(error) }, '');
    }
    if (!this.signal.aborted) exitWith(this.status);
  }
}

function wordsOf(error: unknown): object {
  const {
    code,
    detail,
    extra: { reasons },
  } = problemOf(error);
  return code === 'internal'
    ? { code, detail: explain(error).split('\n')[0] }
    : { code, detail, ...(reasons && { reasons }) };
}
