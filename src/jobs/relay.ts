import { Injectable, Logger } from '@nestjs/common';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { JobTimes } from './job-times.js';
import { type LaneLimit, laneLimits } from './lane.js';
import { OutboxRepository } from './outbox.repository.js';
import { type JobRef, Queue } from './queue.js';

/**
 * Moves due rows from the outbox to the queue. Several may run against one database: rows that one is taking, the
 * others pass over.
 */
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

  /** Begins to look at the outbox; the queue is started already. */
  start(): void {
    this.limits = laneLimits(this.config.laneLimits);
    this.stopped = false;
    this.loop = this.runLoop();
  }

  /** Looks again at once instead of after the poll interval. */
  wake(): void {
    if (this.failures > 0) return;
    this.woken = true;
    this.endPause();
  }

  /** Resolves when the last hand-over is complete. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.endPause();
    await this.loop;
  }

  private async runLoop(): Promise<void> {
    while (!this.stopped) {
      this.woken = false;
      const more = await this.round();
      if (!more) await this.pause();
    }
  }

  /** Returns whether some job may have more due rows than were taken. */
  private async round(): Promise<boolean> {
    try {
      const room = await this.queue.room();
      const wanted = new Map([...room].filter(([, free]) => free > 0));
      const refs = await this.take(wanted);
      if (refs.length > 0) await this.hand(refs);
      if (this.failures > 0) this.log.log('Due jobs are handed out again.');
      this.failures = 0;
      return [...wanted].some(([job, free]) => refs.filter((ref) => ref.job === job).length === free);
    } catch (error) {
      if (this.failures === 0)
        this.log.error('Due jobs wait, none is lost: the queue or the database does not answer.', error);
      this.failures += 1;
      return false;
    }
  }

  private async take(wanted: ReadonlyMap<string, number>): Promise<JobRef[]> {
    if (!(await this.outbox.hasDue(this.db.single, [...wanted.keys()]))) return [];
    return this.db.write((tx) => this.outbox.takeDue(tx, wanted, this.times.handedLeaseS, this.limits));
  }

  private async hand(refs: JobRef[]): Promise<void> {
    try {
      await this.queue.hand(refs);
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
