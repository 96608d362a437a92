import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import type { Job, JobContext } from './define-job.js';
import { errorText, longestErrorText } from './error-text.js';
import { settledOrGivenUp } from './given-up.js';
import { Interruption } from './interruption.js';
import { JobTimes } from './job-times.js';
import { type ClaimedRun, OutboxRepository } from './outbox.repository.js';
import { Postponed } from './postponed.js';
import type { JobRef } from './queue.js';

/** Does the work of one job. Must bear being run again: lock, check whether it is still to be done, act, record. */
export type JobHandler<T> = (data: T, context: JobContext) => Promise<void>;

interface Run extends ClaimedRun {
  readonly abort: AbortController;
  /** When the lease was last known to be ours, on the process's own monotonic clock; undefined before the claim. */
  heldAtMs?: number;
}

/** So many runs more may a job begin when workers died in its runs: most jobs only stood by when that happened. */
const sparedRuns = 5;

const shutdown = (): Interruption => new Interruption('shutdown', 'The process shuts down.');

/** The runs that this process makes: claims, heartbeats, timeouts and outcomes. */
@Injectable()
export class Runs {
  private readonly log = new Logger('Runs');
  private readonly worker = `${hostname()}:${process.pid}`;
  private readonly active = new Map<Run, Promise<void>>();
  private stopping = false;
  private heartbeat: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Database,
    private readonly outbox: OutboxRepository,
    private readonly times: JobTimes,
  ) {}

  start(): void {
    this.heartbeat = setInterval(() => void this.beat(), (this.times.runLeaseS * 1000) / 3);
  }

  /** Aborts every run and resolves when all are recorded or handed back, at the latest after the grace period. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const run of this.active.keys()) run.abort.abort(shutdown());
    await Promise.allSettled(this.active.values());
    clearInterval(this.heartbeat);
  }

  /**
   * Makes one run and records how it ended. Rejects only when the database does not answer; the lease then lapses.
   * Resolves early for a run in a lane that takes longer than `slotMs`.
   */
  async run<T extends object>(ref: JobRef, job: Job<T>, handler: JobHandler<T>): Promise<void> {
    if (this.stopping) return this.outbox.release(this.db.single, [ref]);
    if (ref.attempt > job.policy.attempts + sparedRuns) {
      return this.outbox.buryUnclaimed(this.db.single, ref, 'The worker died during this run and those before it.');
    }
    const run: Run = { ref, runId: randomUUID(), abort: new AbortController() };
    const made = this.make(run, job, handler).finally(() => this.active.delete(run));
    this.active.set(run, made);
    return ref.lane ? this.whileInSlot(ref, made) : made;
  }

  /** Resolves when the run has ended, or has kept its place from others for `slotMs`; it then goes on without it. */
  private async whileInSlot(ref: JobRef, made: Promise<void>): Promise<void> {
    const slot = new AbortController();
    const over = sleep(this.times.slotMs, true, { signal: slot.signal }).catch(() => false);
    const ended = made.then(() => false).finally(() => slot.abort());
    if (!(await Promise.race([ended, over]))) return ended.then(() => undefined);
    ended.catch((error: unknown) =>
      this.log.error(`Run ${ref.attempt} of ${ref.job} ${ref.id} is not recorded.`, error),
    );
  }

  private async make<T extends object>(run: Run, job: Job<T>, handler: JobHandler<T>): Promise<void> {
    const beganAtMs = performance.now();
    const claimed = await this.outbox.claim(this.db.single, run, this.worker, this.times.runLeaseS);
    if (claimed === undefined) return;
    run.heldAtMs = beganAtMs;
    const data = job.data.safeParse(claimed.data);
    if (!data.success) {
      const faults = data.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      return this.bury(run, `The data does not match the job: ${faults.join('; ')}`);
    }
    const result = await this.attempt(run, job.policy.timeoutS, (context) => handler(data.data, context));
    await this.record(run, job, result);
  }

  private async attempt(
    run: Run,
    timeoutS: number,
    work: (context: JobContext) => Promise<void>,
  ): Promise<PromiseSettledResult<void>> {
    const { signal } = run.abort;
    const timeout = setTimeout(() => {
      run.abort.abort(new Interruption('timeout', `Not done within ${timeoutS} s.`));
    }, timeoutS * 1000);
    try {
      signal.throwIfAborted();
      const context = { jobId: run.ref.id, attempt: run.ref.attempt, signal };
      await settledOrGivenUp(work(context), signal, this.times.graceS * 1000);
      return { status: 'fulfilled', value: undefined };
    } catch (error) {
      return { status: 'rejected', reason: signal.aborted ? (signal.reason as unknown) : error };
    } finally {
      clearTimeout(timeout);
    }
  }

  private async record<T extends object>(run: Run, job: Job<T>, result: PromiseSettledResult<void>): Promise<void> {
    const tx = this.db.single;
    if (result.status === 'fulfilled') return this.warnIfLost(run, await this.outbox.complete(tx, run));
    const failure: unknown = result.reason;
    if (failure instanceof Interruption && failure.by === 'shutdown') {
      return this.warnIfLost(run, await this.outbox.handBack(tx, run));
    }
    if (failure instanceof Postponed) {
      return this.warnIfLost(run, await this.outbox.postpone(tx, run, failure.message, failure.afterS));
    }
    this.log.warn(`Run ${run.ref.attempt} of ${job.name} ${run.ref.id} failed.`, failure);
    if (run.ref.attempt >= job.policy.attempts) return this.bury(run, errorText(failure));
    this.warnIfLost(run, await this.outbox.retry(tx, run, errorText(failure), job.policy.backoffS));
  }

  private async bury(run: Run, error: string): Promise<void> {
    const held = await this.outbox.bury(this.db.single, run, error.slice(0, longestErrorText));
    if (held) this.log.error(`${run.ref.job} ${run.ref.id} is a dead letter. ${error}`);
    this.warnIfLost(run, held);
  }

  private warnIfLost(run: Run, held: boolean): void {
    if (!held)
      this.log.warn(
        `Run ${run.ref.attempt} of ${run.ref.job} ${run.ref.id} had lost its lease; its outcome is not recorded.`,
      );
  }

  private async beat(): Promise<void> {
    const runs = [...this.active.keys()].filter((run) => run.heldAtMs !== undefined);
    if (runs.length === 0) return;
    const beganAtMs = performance.now();
    try {
      const held = await this.outbox.extend(this.db.single, runs, this.times.runLeaseS);
      for (const run of runs) run.heldAtMs = held.has(run.runId) ? beganAtMs : -Infinity;
    } catch (error) {
      this.log.error('The leases of the running jobs could not be renewed.', error);
    }
    const oldestMs = performance.now() - this.times.runLeaseS * 1000;
    const lapsed = runs.filter((run) => (run.heldAtMs ?? 0) < oldestMs);
    for (const run of lapsed)
      run.abort.abort(new Interruption('lease', 'The lease lapsed or another worker took over.'));
  }
}
