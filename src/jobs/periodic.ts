import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { ClockSteps, type SetBack } from './clock-steps.js';
import { errorText } from './error-text.js';
import { withGracePeriod } from './grace-period.js';
import { Leases } from './lease.js';
import { PeriodicRepository } from './periodic.repository.js';
import { TaskReport } from './task-report.js';
import { workerName } from './worker-name.js';

/**
 * The work of a periodic task. The signal is aborted at shutdown and when the lease of the task is lost. The report is
 * stored with the run. A run that dies is repeated at once, so the work must find what is left to do by itself.
 */
export type TickWork = (signal: AbortSignal, report: TaskReport) => Promise<void>;

interface Task {
  readonly name: string;
  readonly seconds: number;
  readonly work: TickWork;
  current?: { abort: AbortController; ended: Promise<void> };
}

/** The lease of a task is renewed while its work lasts. After a crash another process takes over within this time. */
const leaseS = 20;
/** The first ticks are spread over at most this time, so that processes that start together do not query at once. */
const longestSpreadS = 10;
/** How long a task waits for work whose signal was aborted. */
const graceMs = 10_000;
/** Between two looks for tasks that must not wait for their time. */
const urgentMs = 5_000;
/** Between two looks at the clock; shorter than the smallest step that is noticed. */
const clockMs = 2_000;

/**
 * The periodic tasks. Every process of the roles `all` and `worker` ticks; a lease in the database makes sure that one
 * of them does the work, once per interval. Every process watches the clock.
 */
@Injectable()
export class Periodic implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Periodic');
  private readonly tasks = new Map<string, Task>();
  private stopping = false;
  private isLooking = false;
  /** The last look at the clock has failed. */
  private isBlind = false;

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly leases: Leases,
    private readonly repository: PeriodicRepository,
    private readonly scheduler: SchedulerRegistry,
    private readonly clockSteps: ClockSteps,
  ) {}

  /**
   * Declares a task. Call it in `onModuleInit`. Never rename it: `name` is stored. A failure is logged and stored, and
   * the next tick tries again.
   */
  everyTick(name: string, seconds: number, work: TickWork): void {
    if (this.tasks.has(name)) throw new Error(`The periodic task ${name} is declared twice.`);
    this.tasks.set(name, { name, seconds, work });
  }

  /**
   * Declares the times that a table plans for a sweep, other than dates: they follow the clock when it is set back.
   * Call it in `onModuleInit`.
   */
  onSetBack(setBack: SetBack): void {
    this.clockSteps.onSetBack(setBack);
  }

  /** The interval in seconds of every declared task, by name; also in a process that does not tick. */
  get intervals(): ReadonlyMap<string, number> {
    return new Map([...this.tasks.values()].map(({ name, seconds }) => [name, seconds]));
  }

  onApplicationBootstrap(): void {
    // In every role: what an API process plans while no worker runs must follow the clock, too.
    this.scheduler.addInterval(
      'clock',
      setInterval(() => void this.lookAtClock(), clockMs),
    );
    if (this.config.role === 'api') return;
    for (const task of this.tasks.values()) this.schedule(task);
    this.scheduler.addInterval(
      'urgent tasks',
      setInterval(() => void this.tickUrgent(), urgentMs),
    );
  }

  /** Aborts the work that runs now and waits for it, at most `graceMs`. The scheduler clears its own timers. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    const current = [...this.tasks.values()].flatMap((task) => task.current ?? []);
    for (const { abort } of current) abort.abort(new Error('The process shuts down.'));
    await Promise.all(current.map(({ ended }) => ended));
  }

  private schedule(task: Task): void {
    const spreadMs = Math.random() * Math.min(task.seconds, longestSpreadS) * 1000;
    const begin = (): void => {
      if (this.stopping) return;
      this.scheduler.addInterval(
        task.name,
        setInterval(() => this.tick(task), task.seconds * 1000),
      );
      this.tick(task);
    };
    this.scheduler.addTimeout(task.name, setTimeout(begin, spreadMs));
  }

  private async tickUrgent(): Promise<void> {
    // While the database does not answer, no task can run either, and each one says so.
    const urgent = await this.repository.urgent(this.db.single).catch(() => []);
    for (const name of urgent) {
      const task = this.tasks.get(name);
      if (task) this.tick(task);
    }
  }

  private async lookAtClock(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      await this.clockSteps.follow();
      this.isBlind = false;
    } catch (error) {
      // While the database does not answer, no lease expires either: one line is enough.
      if (!this.isBlind) this.log.warn('The clock of the database cannot be watched.', error);
      this.isBlind = true;
    } finally {
      this.isLooking = false;
    }
  }

  private tick(task: Task): void {
    if (task.current !== undefined || this.stopping) return;
    const abort = new AbortController();
    const ended = this.runOnce(task, abort.signal).finally(() => {
      task.current = undefined;
    });
    task.current = { abort, ended };
  }

  private async runOnce(task: Task, stop: AbortSignal): Promise<void> {
    try {
      await this.leases.withLease(`periodic:${task.name}`, leaseS, (lost) =>
        this.workOnce(task, AbortSignal.any([stop, lost])),
      );
    } catch (error) {
      if (this.stopping) return;
      this.log.error(`The periodic task ${task.name} could not run.`, error);
      await this.repository.couldNotRun(this.db.single, task.name, errorText(error)).catch(() => undefined);
    }
  }

  private async workOnce(task: Task, signal: AbortSignal): Promise<void> {
    // A tenth less than the interval, so that a timer that is slightly early does not skip every second run.
    const run = await this.repository.begin(this.db.single, task.name, task.seconds * 0.9, workerName);
    if (run === null) return;
    const report = new TaskReport();
    try {
      signal.throwIfAborted();
      await withGracePeriod(task.work(signal, report), signal, graceMs);
      // Work that ends early because of the signal has left something.
      signal.throwIfAborted();
    } catch (error) {
      if (this.stopping) return this.repository.stopped(this.db.single, run, report);
      this.log.error(`The periodic task ${task.name} failed.`, error);
      return this.repository.failed(this.db.single, run, errorText(error), report);
    }
    await this.repository.succeeded(this.db.single, run, report);
  }
}
