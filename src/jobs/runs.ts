import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { Gathered } from '../platform/gathered.js';
import type { Job, JobContext } from './define-job.js';
import { errorText, longestErrorText } from './error-text.js';
import { withGracePeriod } from './grace-period.js';
import { Interruption } from './interruption.js';
import { JobTimes } from './job-times.js';
import { OutboxRepository } from './outbox.repository.js';
import { Postponed } from './postponed.js';
import type { JobRef } from './queue.js';
import { type ClaimedRun, RunRepository } from './run.repository.js';
import { workerName } from './worker-name.js';

/** Does the work of one job. It may run again, so it locks, checks that the work is still to be done, acts, stores. */
export type JobHandler<T> = (data: T, context: JobContext) => Promise<void>;

interface Run extends ClaimedRun {
  readonly abort: AbortController;
  /** When the lease was last confirmed, on the monotonic clock of the process; undefined before the claim. */
  heldAtMs?: number;
}

/** Runs beyond its attempts that a job gets when workers died during its runs: most often another job killed them. */
const extraRuns = 5;

const shutdown = (): Interruption => new Interruption('shutdown', 'The process shuts down.');

/** The most statements at a time that claim runs, and as many that store their success. */
const mostAtOnce = 2;

/** The runs of this process: claims, heartbeats, timeouts and outcomes. */
@Injectable()
export class Runs {
  private readonly log = new Logger('Runs');
  private readonly active = new Map<Run, Promise<void>>();
  private stopping = false;
  private heartbeat: NodeJS.Timeout | undefined;
  private readonly claims = new Gathered<Run, { data: unknown } | undefined>(
    (runs) => this.repository.claim(this.db.single, runs, workerName, this.times.runLeaseS),
    mostAtOnce,
  );
  private readonly completions = new Gathered<Run, boolean>(
    (runs) => this.repository.complete(this.db.single, runs),
    mostAtOnce,
  );

  constructor(
    private readonly db: Database,
    private readonly outbox: OutboxRepository,
    private readonly repository: RunRepository,
    private readonly times: JobTimes,
  ) {}

  start(): void {
    this.heartbeat = setInterval(() => void this.renewLeases(), (this.times.runLeaseS * 1000) / 3);
  }

  /** Aborts every run. Resolves when every outcome is stored, at the latest after the grace period. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const run of this.active.keys()) run.abort.abort(shutdown());
    await Promise.allSettled(this.active.values());
    clearInterval(this.heartbeat);
  }

  /**
   * Runs a job once and stores the outcome. Rejects only when the database does not answer; the lease then expires.
   * Resolves early when the job is in a lane and the run takes longer than `slotMs`.
   */
  async run<T extends object>(ref: JobRef, job: Job<T>, handler: JobHandler<T>): Promise<void> {
    if (this.stopping) return this.outbox.release(this.db.single, [ref]);
    if (ref.attempt > job.policy.attempts + extraRuns) {
      return this.repository.markUnclaimedDead(
        this.db.single,
        ref,
        'The worker died during this run and the runs before it.',
      );
    }
    const run: Run = { ref, runId: randomUUID(), abort: new AbortController() };
    const finished = this.claimAndRun(run, job, handler).finally(() => this.active.delete(run));
    this.active.set(run, finished);
    return ref.lane ? this.whileInSlot(ref, finished) : finished;
  }

  /** Resolves when the run has ended or has held its slot for `slotMs`; it then continues without a slot. */
  private async whileInSlot(ref: JobRef, finished: Promise<void>): Promise<void> {
    const slot = new AbortController();
    const over = sleep(this.times.slotMs, true, { signal: slot.signal }).catch(() => false);
    const ended = finished.then(() => false).finally(() => slot.abort());
    if (!(await Promise.race([ended, over]))) return ended.then(() => undefined);
    ended.catch((error: unknown) =>
      this.log.error(`The outcome of run ${ref.attempt} of ${ref.job} ${ref.id} was not stored; it runs again.`, error),
    );
  }

  private async claimAndRun<T extends object>(run: Run, job: Job<T>, handler: JobHandler<T>): Promise<void> {
    const startedAtMs = performance.now();
    const claimed = await this.claims.run(run);
    if (claimed === undefined) return;
    run.heldAtMs = startedAtMs;
    const data = job.data.safeParse(claimed.data);
    if (!data.success) {
      const faults = data.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      return this.giveUp(run, `The data does not match the job: ${faults.join('; ')}`);
    }
    const result = await this.runHandler(run, job.policy.timeoutS, (context) => handler(data.data, context));
    await this.store(run, job, result);
  }

  private async runHandler(
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
      await withGracePeriod(work(context), signal, this.times.graceS * 1000);
      return { status: 'fulfilled', value: undefined };
    } catch (error) {
      return { status: 'rejected', reason: signal.aborted ? (signal.reason as unknown) : error };
    } finally {
      clearTimeout(timeout);
    }
  }

  private async store<T extends object>(run: Run, job: Job<T>, result: PromiseSettledResult<void>): Promise<void> {
    const tx = this.db.single;
    if (result.status === 'fulfilled') return this.warnIfLost(run, await this.completions.run(run));
    const failure: unknown = result.reason;
    if (failure instanceof Interruption && failure.by === 'shutdown') {
      return this.warnIfLost(run, await this.repository.handBack(tx, run));
    }
    if (failure instanceof Postponed) {
      return this.warnIfLost(run, await this.repository.postpone(tx, run, failure.message, failure.afterS));
    }
    this.log.warn(`Run ${run.ref.attempt} of ${job.name} ${run.ref.id} failed.`, failure);
    if (run.ref.attempt >= job.policy.attempts) return this.giveUp(run, errorText(failure));
    this.warnIfLost(run, await this.repository.retry(tx, run, errorText(failure), job.policy.backoffS));
  }

  private async giveUp(run: Run, error: string): Promise<void> {
    const held = await this.repository.markDead(this.db.single, run, error.slice(0, longestErrorText));
    if (held) this.log.error(`${run.ref.job} ${run.ref.id} is now a dead letter. ${error}`);
    this.warnIfLost(run, held);
  }

  private warnIfLost(run: Run, held: boolean): void {
    if (!held)
      this.log.warn(
        `Run ${run.ref.attempt} of ${run.ref.job} ${run.ref.id} lost its lease; its outcome is not stored.`,
      );
  }

  /** Renews the leases of all runs and aborts the runs that have lost theirs. */
  private async renewLeases(): Promise<void> {
    const runs = [...this.active.keys()].filter((run) => run.heldAtMs !== undefined);
    if (runs.length === 0) return;
    const startedAtMs = performance.now();
    try {
      const held = await this.repository.extend(this.db.single, runs, this.times.runLeaseS);
      for (const run of runs) run.heldAtMs = held.has(run.runId) ? startedAtMs : -Infinity;
    } catch (error) {
      this.log.error('The leases of the running jobs could not be renewed.', error);
    }
    const oldestMs = performance.now() - this.times.runLeaseS * 1000;
    const lost = runs.filter((run) => (run.heldAtMs ?? 0) < oldestMs);
    for (const run of lost)
      run.abort.abort(new Interruption('lease', 'The lease expired or another worker took over.'));
  }
}
