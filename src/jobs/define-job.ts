import type { z } from 'zod';
import type { Tx } from '../platform/db/database.js';
import { addToOutbox, type JobTiming } from './outbox.js';

/** How often and how long one job is tried. Longer waits are columns of the row that the job is about. */
export interface JobPolicy {
  /** Runs before the job is a dead letter, 1-10. */
  attempts: number;
  /** After this many seconds the run's signal is aborted. */
  timeoutS: number;
  /** Wait before the second run; doubles with every further one, with jitter. */
  backoffS: number;
  /** Runs of this job at the same time in one process. */
  concurrency: number;
}

/** A kind of work. Data is ids only, and is validated again on arrival: it may have been written by another version. */
export interface Job<T extends object> {
  readonly name: string;
  readonly data: z.ZodType<T>;
  readonly policy: JobPolicy;
  /**
   * Writes the job in the transaction that causes it; it runs after the commit, at least once, not before `afterS`. One
   * that waits already with the same data is not added again; of the same job only one run is under way at a time.
   */
  enqueue(tx: Tx, data: T, timing?: JobTiming): Promise<void>;
  /** The same for many in one statement. */
  enqueueMany(tx: Tx, rows: readonly (JobTiming & { data: T })[]): Promise<void>;
}

/** What a handler gets beside its data. */
export interface JobContext {
  readonly jobId: string;
  /** 1 for the first run. */
  readonly attempt: number;
  /** Aborted on timeout and at shutdown. */
  readonly signal: AbortSignal;
}

const defaults: JobPolicy = { attempts: 5, timeoutS: 120, backoffS: 5, concurrency: 4 };
const defined = new Map<string, Job<never>>();

/** Declares a job. `name` is stored with its rows: never renamed. */
export function defineJob<T extends object>(name: string, data: z.ZodType<T>, policy: Partial<JobPolicy> = {}): Job<T> {
  const job: Job<T> = {
    name,
    data,
    policy: { ...defaults, ...policy },
    enqueue: (tx, values, timing) => addToOutbox(tx, name, [{ data: values, ...timing }]),
    enqueueMany: (tx, rows) => addToOutbox(tx, name, rows),
  };
  if (defined.has(name)) throw new Error(`Job ${name} is defined twice.`);
  // The map forgets T: data reaches a handler only through this job's own schema.
  defined.set(name, job as unknown as Job<never>);
  return job;
}

/** Every declared job, for the check at boot that each has exactly one handler. */
export function definedJobs(): ReadonlyMap<string, Job<never>> {
  return defined;
}
