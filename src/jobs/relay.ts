import { Injectable, Logger } from '@nestjs/common';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { JobTimes } from './job-times.js';
import { type LaneLimit, laneLimits } from './lane.js';
import { OutboxRepository } from './outbox.repository.js';
import { type JobRef, Queue } from './queue.js';

/** Polls the outbox and adds due jobs to the queue. Each process with jobs runs one; they share one database. */
@Injectable()
export class Relay {
  private readonly log = new Logger('Relay');
  private stopped = true;
  private loop: Promise<void> = Promise.resolve();
  private woken = false;
  private endPause: () => void = () => {};
  private failures = 0;
  private limits: readonly LaneLimit[] = [];

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly outbox: OutboxRepository,
    private readonly queue: Queue,
    private readonly times: JobTimes,
  ) {}

  /** Starts to poll the outbox. The queue must have started before. */
  start(): void {
    this.limits = laneLimits(this.config.laneLimits);
    this.stopped = false;
    this.loop = this.runLoop();
  }

  /** Polls at once instead of after the poll interval. Does nothing while the database or the queue is down. */
  wake(): void {
    if (this.failures > 0) return;
    this.woken = true;
    this.endPause();
  }

  /** Resolves when the last poll has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.endPause();
    await this.loop;
  }

  private async runLoop(): Promise<void> {
    while (!this.stopped) {
      this.woken = false;
      const more = await this.poll();
      if (!more) await this.pause();
    }
  }

  /** Returns true when a job may have more due rows than were taken. */
  private async poll(): Promise<boolean> {
    try {
      const capacity = new Map([...(await this.queue.capacity())].filter(([, free]) => free > 0));
      const refs = await this.take(capacity);
      if (refs.length > 0) await this.add(refs);
      if (this.failures > 0) this.log.log('The queue and the database answer again. Due jobs run.');
      this.failures = 0;
      return [...capacity].some(([job, free]) => refs.filter((ref) => ref.job === job).length === free);
    } catch (error) {
      if (this.failures === 0)
        this.log.error('The queue or the database does not answer. Due jobs wait; none is lost.', error);
      this.failures += 1;
      return false;
    }
  }

  private async take(capacity: ReadonlyMap<string, number>): Promise<JobRef[]> {
    if (!(await this.outbox.hasDue(this.db.single, [...capacity.keys()]))) return [];
    return this.db.write((tx) => this.outbox.takeDue(tx, capacity, this.times.queuedLeaseS, this.limits));
  }

  private async add(refs: JobRef[]): Promise<void> {
    try {
      await this.queue.add(refs);
    } catch (error) {
      await this.outbox.release(this.db.single, refs);
      throw error;
    }
  }

  private async pause(): Promise<void> {
    if (this.stopped || this.woken) return;
    const ms = Math.min(this.times.pollMs * 2 ** this.failures, this.times.outagePollMs);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
