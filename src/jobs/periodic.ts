import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { errorText } from './error-text.js';
import { settledOrGivenUp } from './given-up.js';
import { Leases } from './lease.js';
import { PeriodicRepository } from './periodic.repository.js';

/** Work of a tick. The signal is aborted at shutdown and when another process has taken over. */
export type TickWork = (signal: AbortSignal) => Promise<void>;

interface Task {
  readonly name: string;
  readonly seconds: number;
  readonly work: TickWork;
  current?: { abort: AbortController; ended: Promise<void> };
}

/** Renewed while the work lasts; after a crash another process may go on this much later. */
const leaseS = 20;
/** The first ticks are spread over at most this, so that processes that start together do not all ask at once. */
const widestSpreadS = 10;
/** How long work may go on after its signal was aborted, before it is given up. */
const graceMs = 10_000;

/** Periodic work: every process of the roles `all` and `worker` ticks, one of them does the work, once per interval. */
@Injectable()
export class Periodic implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Periodic');
  private readonly tasks = new Map<string, Task>();
  private stopping = false;

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly leases: Leases,
    private readonly repository: PeriodicRepository,
    private readonly scheduler: SchedulerRegistry,
  ) {}

  /**
   * Declares a task. Call it in `onModuleInit`; `name` is stored. A failure is logged and recorded, and the next tick
   * tries again.
   */
  everyTick(name: string, seconds: number, work: TickWork): void {
    if (this.tasks.has(name)) throw new Error(`The periodic task ${name} is declared twice.`);
    this.tasks.set(name, { name, seconds, work });
  }

  /** Every declared task and its interval in seconds, by name; also in a process that does not tick. */
  get intervals(): ReadonlyMap<string, number> {
    return new Map([...this.tasks.values()].map(({ name, seconds }) => [name, seconds]));
  }

  onApplicationBootstrap(): void {
    if (this.config.role === 'api') return;
    for (const task of this.tasks.values()) this.schedule(task);
  }

  /**
   * Waits, within bounds, for the work under way, whose signal is aborted; the scheduler clears its timers by itself.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    const current = [...this.tasks.values()].flatMap((task) => task.current ?? []);
    for (const { abort } of current) abort.abort(new Error('The process shuts down.'));
    await Promise.all(current.map(({ ended }) => ended));
  }

  private schedule(task: Task): void {
    const spreadMs = Math.random() * Math.min(task.seconds, widestSpreadS) * 1000;
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
      this.log.error(`The periodic task ${task.name} failed.`, error);
      await this.repository.failed(this.db.single, task.name, errorText(error)).catch(() => undefined);
    }
  }

  private async workOnce(task: Task, signal: AbortSignal): Promise<void> {
    // A tenth less than the interval: two clocks that tick alike must not make every second tick come too early.
    const begun = await this.repository.begin(this.db.single, task.name, task.seconds * 0.9);
    if (!begun) return;
    signal.throwIfAborted();
    await settledOrGivenUp(task.work(signal), signal, graceMs);
    await this.repository.succeeded(this.db.single, task.name);
  }
}
