import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { errorText } from './error-text.js';
import { Leases } from './lease.js';
import { PeriodicRepository } from './periodic.repository.js';

/** Work of a tick. The signal is aborted at shutdown and when another process has taken over. */
export type TickWork = (signal: AbortSignal) => Promise<void>;

interface Task {
  readonly name: string;
  readonly seconds: number;
  readonly work: TickWork;
  running?: Promise<void>;
}

/** Renewed while the work lasts; after a crash another process may go on this much later. */
const leaseS = 60;
/** The first ticks are spread over at most this, so that processes that start together do not all ask at once. */
const widestSpreadS = 10;

/** Periodic work: every process of the roles `all` and `worker` ticks, one of them does the work, once per interval. */
@Injectable()
export class Periodic implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Periodic');
  private readonly tasks = new Map<string, Task>();
  private readonly stopping = new AbortController();

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly leases: Leases,
    private readonly repository: PeriodicRepository,
    private readonly scheduler: SchedulerRegistry,
  ) {}

  /** Declares a task. Call it in `onModuleInit`; `name` is stored. A failure is logged and recorded, and the next tick tries again. */
  everyTick(name: string, seconds: number, work: TickWork): void {
    if (this.tasks.has(name)) throw new Error(`The periodic task ${name} is declared twice.`);
    this.tasks.set(name, { name, seconds, work });
  }

  onApplicationBootstrap(): void {
    if (this.config.role === 'api') return;
    for (const task of this.tasks.values()) this.schedule(task);
  }

  /** Waits for the work under way, whose signal is aborted; the scheduler clears its timers by itself. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort(new Error('The process shuts down.'));
    await Promise.all([...this.tasks.values()].flatMap((task) => task.running ?? []));
  }

  private schedule(task: Task): void {
    const spreadMs = Math.random() * Math.min(task.seconds, widestSpreadS) * 1000;
    const begin = (): void => {
      if (this.stopping.signal.aborted) return;
      this.scheduler.addInterval(task.name, setInterval(() => this.tick(task), task.seconds * 1000));
      this.tick(task);
    };
    this.scheduler.addTimeout(task.name, setTimeout(begin, spreadMs));
  }

  private tick(task: Task): void {
    if (task.running !== undefined || this.stopping.signal.aborted) return;
    task.running = this.runOnce(task).finally(() => {
      task.running = undefined;
    });
  }

  private async runOnce(task: Task): Promise<void> {
    try {
      await this.leases.withLease(`periodic:${task.name}`, leaseS, (lost) => this.workOnce(task, lost));
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.log.error(`The periodic task ${task.name} failed.`, error);
      await this.repository.failed(this.db.single, task.name, errorText(error)).catch(() => undefined);
    }
  }

  private async workOnce(task: Task, lost: AbortSignal): Promise<void> {
    // A tenth less than the interval: two clocks that tick alike must not make every second tick come too early.
    const begun = await this.repository.begin(this.db.single, task.name, task.seconds * 0.9);
    if (!begun) return;
    await task.work(AbortSignal.any([lost, this.stopping.signal]));
    await this.repository.succeeded(this.db.single, task.name);
  }
}
