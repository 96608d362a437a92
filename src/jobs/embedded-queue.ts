import { Logger } from '@nestjs/common';
import type { JobRef, Queue, RunRef } from './queue.js';

interface Lane {
  readonly limit: number;
  active: number;
}

/**
 * The queue without Redis: takes only as many refs as it can run at once, so several processes still share the load.
 */
export class EmbeddedQueue implements Queue {
  private readonly log = new Logger('EmbeddedQueue');
  private readonly lanes = new Map<string, Lane>();
  private readonly runs = new Set<Promise<void>>();
  private run: RunRef;
  private wake: () => void;

  async start(lanes: ReadonlyMap<string, number>, run: RunRef, wake: () => void): Promise<void> {
    for (const [job, limit] of lanes) this.lanes.set(job, { limit, active: 0 });
    this.run = run;
    this.wake = wake;
  }

  async room(): Promise<ReadonlyMap<string, number>> {
    return new Map([...this.lanes].map(([job, lane]) => [job, lane.limit - lane.active]));
  }

  async hand(refs: readonly JobRef[]): Promise<void> {
    for (const ref of refs) {
      const lane = this.lanes.get(ref.job);
      if (lane === undefined) throw new Error(`The queue was not started for ${ref.job}.`);
      const run = this.runInLane(lane, ref).finally(() => this.runs.delete(run));
      this.runs.add(run);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.runs);
  }

  async ready(): Promise<string | null> {
    return null;
  }

  private async runInLane(lane: Lane, ref: JobRef): Promise<void> {
    lane.active += 1;
    try {
      await this.run(ref);
    } catch (error) {
      this.log.error(`Run ${ref.attempt} of ${ref.job} ${ref.id} is not recorded and will be repeated.`, error);
    } finally {
      const wasFull = lane.active === lane.limit;
      lane.active -= 1;
      if (wasFull) this.wake();
    }
  }
}
