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

/** What every command takes. */
export interface ShellOptions {
  json?: boolean;
  verbose?: boolean;
}

/** One call of the command line: who calls, with which settings, and the way to answer. */
export class Shell {
  readonly json: boolean;
  /**
   * Whoever may open the database and the key ring is an administrator; the audit log has the name that the system
   * knows.
   */
  readonly actor: Actor = { ...systemActor(`cli-${randomUUID()}`), username: `system (${operatorName()})` };
  private readonly verbose: boolean;
  private status = 0;
  private answered = false;
  private readonly interruption = new AbortController();

  constructor({ json = false, verbose = false }: ShellOptions) {
    this.json = json;
    this.verbose = verbose;
  }

  /** The settings of the program, as one that runs no jobs. Throws ConfigError. */
  config(): Config {
    return new Config({ ...configFromEnvironment(), role: 'api' });
  }

  /** Lines on stderr. */
  log({ logLevel }: Config): Log {
    return createLog(this.verbose ? logLevel : logLevel === 'silent' ? 'silent' : 'error', {
      write: (line) => tell(line.trimEnd()),
    });
  }

  /** The answer of the command, once: `value` for programs, `words` for people. */
  async answer(value: unknown, words: string): Promise<void> {
    this.answered = true;
    const text = this.json ? JSON.stringify(value, null, 2) : words;
    if (text !== '') await print(`${escapeLines(text)}\n`);
  }

  /** One line for the person at the shell. */
  note(line: string): void {
    tell(line);
  }

  /** The command has done its work and found a fault: it ends with status 1. */
  fail(): void {
    this.status = 1;
  }

  /** Someone has interrupted the command: what fails from now on fails because of that. */
  interrupt(): void {
    this.interruption.abort(new Error('Interrupted.'));
  }

  /** Aborted when someone interrupts the command. */
  get signal(): AbortSignal {
    return this.interruption.signal;
  }

  /** A bar on stderr, which shows itself when the work takes longer than a second and a person watches. */
  progress(label: string, total: number): Progress {
    return new Progress(label, total, !this.json);
  }

  /** Does the work and ends the process with the status that it deserves. */
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
