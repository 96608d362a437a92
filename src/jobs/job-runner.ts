import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../platform/config.js';
import { definedJobs, type Job } from './define-job.js';
import { laneLimits } from './lane.js';
import { type JobRef, Queue } from './queue.js';
import { Relay } from './relay.js';
import { type JobHandler, Runs } from './runs.js';

/** The handlers of all jobs. Processes of the roles `all` and `worker` run them. */
@Injectable()
export class Jobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly handlers = new Map<string, JobHandler<never>>();
  private started = false;

  constructor(
    private readonly config: Config,
    private readonly queue: Queue,
    private readonly relay: Relay,
    private readonly runs: Runs,
  ) {}

  /** Registers the handler of a job. Call it in `onModuleInit`. Throws when the job has a handler already. */
  handle<T extends object>(job: Job<T>, handler: JobHandler<T>): void {
    if (this.handlers.has(job.name)) throw new Error(`Job ${job.name} has two handlers; keep one.`);
    this.handlers.set(job.name, handler);
  }

  /** Starts the jobs. Throws when a job has no handler or a handler has no job: the process then does not start. */
  async onApplicationBootstrap(): Promise<void> {
    const jobs = definedJobs();
    const unhandled = [...jobs.keys()].filter((name) => !this.handlers.has(name));
    const unknown = [...this.handlers.keys()].filter((name) => !jobs.has(name));
    if (unhandled.length > 0)
      throw new Error(
        `No handler for ${unhandled.join(', ')}: call jobs.handle() in onModuleInit, ` +
          'and list the module in app.module.ts.',
      );
    if (unknown.length > 0)
      throw new Error(`There is a handler for ${unknown.join(', ')}, but no defineJob() declares it.`);
    // Throws when a setting names a lane that is not declared.
    laneLimits(this.config.laneLimits);
    if (this.config.role !== 'api') await this.start(jobs);
  }

  /**
   * Stops the relay, then the queue, then the runs. Needs the database, which must not be closed before
   * `onApplicationShutdown`.
   */
  async beforeApplicationShutdown(): Promise<void> {
    if (!this.started) return;
    await this.relay.stop();
    await Promise.all([this.queue.stop(), this.runs.stop()]);
  }

  private async start(jobs: ReadonlyMap<string, Job<never>>): Promise<void> {
    this.started = true;
    const concurrency = new Map([...jobs.values()].map((job) => [job.name, job.policy.concurrency]));
    this.runs.start();
    await this.queue.start(
      concurrency,
      (ref) => this.run(ref),
      () => this.relay.wake(),
    );
    this.relay.start();
  }

  private async run(ref: JobRef): Promise<void> {
    const job = definedJobs().get(ref.job);
    const handler = this.handlers.get(ref.job);
    if (job === undefined || handler === undefined)
      throw new Error(`This process has no handler for the job ${ref.job}.`);
    await this.runs.run(ref, job, handler);
    // The next job of its lane can run now.
    if (ref.lane) this.relay.wake();
  }
}
