import type { Config } from '../platform/config.js';
import { EmbeddedQueue } from './embedded-queue.js';
import type { JobTimes } from './job-times.js';

/** One run to be made of one outbox row. */
export interface JobRef {
  readonly id: string;
  readonly job: string;
  /** Empty when it has none. */
  readonly lane: string;
  /** 1 for the first run. A ref whose row has moved on is stale, and its claim fails. */
  readonly attempt: number;
}

/**
 * Runs one ref and records the outcome; rejects only when nothing could be recorded. Resolves when the run has ended,
 * or earlier when it gives its place up: a slow run in a lane is bounded by the lane alone.
 */
export type RunRef = (ref: JobRef) => Promise<void>;

/** Owns "now": which process runs a due row. May forget or repeat a ref; the outbox does not. */
export abstract class Queue {
  /**
   * Begins to run what is handed, at most `lanes.get(job)` runs of a job at once in this process. Calls `wake` when a
   * full lane has room again.
   */
  abstract start(lanes: ReadonlyMap<string, number>, run: RunRef, wake: () => void): Promise<void>;
  /** How many refs of each job the queue wants now. Throws when the queue is down. */
  abstract room(): Promise<ReadonlyMap<string, number>>;
  /** Takes refs over. Throws within seconds when the queue is down; some refs may have arrived all the same. */
  abstract hand(refs: readonly JobRef[]): Promise<void>;
  /** Takes up nothing more; resolves when the runs under way have ended. */
  abstract stop(): Promise<void>;
  /** Why the queue is down, or null. */
  abstract ready(): Promise<string | null>;
}

/** The engine for this configuration: Bull when there is a Redis, else this process itself. */
export async function createQueue(config: Config, times: JobTimes): Promise<Queue> {
  if (config.redisUrl === undefined) return new EmbeddedQueue();
  const { BullQueue } = await import('./bull-queue.js');
  return new BullQueue(config.redisUrl, times);
}
