import { Injectable } from '@nestjs/common';
import { Log } from '../log.js';

/** Null when the part works, else one sentence for the operator, without secrets. */
export type Check = () => Promise<string | null>;

const patienceMs = 2000;

/** The checks that must pass before traffic is sent here. Each module adds its own at boot. */
@Injectable()
export class Readiness {
  private readonly checks = new Map<string, Check>();
  private readonly warnings = new Map<string, Check>();

  constructor(private readonly log: Log) {}

  /** `name` is one word like `database`. A second check of that name replaces the first. */
  add(name: string, check: Check): void {
    this.checks.set(name, check);
  }

  /** As `add`, for a fault that is told and keeps no traffic away. */
  warn(name: string, check: Check): void {
    this.warnings.set(name, check);
  }

  /** The sentences of the warnings that apply. */
  async lookForWarnings(): Promise<string[]> {
    const answers = await Promise.all([...this.warnings].map(([name, check]) => this.answerOf(name, check)));
    return answers.filter((answer) => answer !== null);
  }

  /** Runs all checks in parallel; null for those that pass. A check fails if it throws or takes over two seconds. */
  async look(): Promise<Record<string, string | null>> {
    const names = [...this.checks.entries()];
    const answers = await Promise.all(
      names.map(async ([name, check]) => [name, await this.answerOf(name, check)] as const),
    );
    return Object.fromEntries(answers);
  }

  private async answerOf(name: string, check: Check): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, patienceMs, `No answer within ${patienceMs / 1000} s.`);
    });
    try {
      return await Promise.race([check(), late]);
    } catch (err) {
      this.log.warn({ err, check: name }, 'readiness check failed');
      return 'The check failed.';
    } finally {
      clearTimeout(timer);
    }
  }
}
