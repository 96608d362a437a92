import { Logger } from '@nestjs/common';
import type { JobRef, Queue, RunJob } from './queue.js';

/** The runs of one job in this process. */
interface Slots {
  readonly concurrency: number;
  used: number;
}

/** The queue without Redis. It takes only as many jobs as it can run now, so that several processes share the load. */
export class EmbeddedQueue implements Queue {
  private readonly log = new Logger('EmbeddedQueue');
  private readonly slots = new Map<string, Slots>();
  private readonly runs = new Set<Promise<void>>();
  private run: RunJob;
  private wake: () => void;

  async start(concurrency: ReadonlyMap<string, number>, run: RunJob, wake: () => void): Promise<void> {
    for (const [job, limit] of concurrency) this.slots.set(job, { concurrency: limit, used: 0 });
    this.run = run;
    this.wake = wake;
  }

  async capacity(): Promise<ReadonlyMap<string, number>> {
    return new Map([...this.slots].map(([job, { concurrency, used }]) => [job, concurrency - used]));
  }

  async add(refs: readonly JobRef[]): Promise<void> {
    for (const ref of refs) {
      const slots = this.slots.get(ref.job);
      if (slots === undefined) throw new Error(`The queue does not run the job ${ref.job}.`);
      const run = this.runInSlot(slots, ref).finally(() => this.runs.delete(run));
      this.runs.add(run);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.runs);
  }

  async fault(): Promise<string | null> {
    return null;
  }

  private async runInSlot(slots: Slots, ref: JobRef): Promise<void> {
    slots.used += 1;
    try {
      await this.run(ref);
    } catch (error) {
      this.log.error(`The outcome of run ${ref.attempt} of ${ref.job} ${ref.id} was not stored; it runs again.`, error);
    } finally {
      const wasFull = slots.used === slots.concurrency;
      slots.used -= 1;
      if (wasFull) this.wake();
    }
  }
}
