import type { z } from 'zod';
import type { Tx } from '../platform/db/database.js';
import { addToOutbox, type JobTiming } from './outbox.js';

/** Attempts, timeout and concurrency of one job. Longer waits are columns of the row that the job works on. */
export interface JobPolicy {
  /** Runs before the job is a dead letter, 1-10. */
  attempts: number;
  /** The run's signal is aborted after this time. */
  timeoutS: number;
  /** Wait before the second run. It doubles with each further run, with jitter. */
  backoffS: number;
  /** Runs of this job at the same time in one process. */
  concurrency: number;
}

/**
 * A job by its name and the schema of its data. The data has ids only. It is validated again before each run, because
 * another version of the program may have written it.
 */
export interface Job<T extends object> {
  readonly name: string;
  readonly data: z.ZodType<T>;
  readonly policy: JobPolicy;
  /**
   * Writes the job in the transaction that causes it. It runs at least once, after the commit and not before `afterS`.
   * A job that already waits with the same data is not added again, and two runs with the same data never overlap.
   */
  enqueue(tx: Tx, data: T, timing?: JobTiming): Promise<void>;
  /** Enqueues many jobs in one statement. */
  enqueueMany(tx: Tx, rows: readonly (JobTiming & { data: T })[]): Promise<void>;
}

/** What a handler gets besides its data. */
export interface JobContext {
  readonly jobId: string;
  /** 1 for the first run. */
  readonly attempt: number;
  /** Aborted on timeout, at shutdown, and when the lease of the run is lost. */
  readonly signal: AbortSignal;
}

const defaults: JobPolicy = { attempts: 5, timeoutS: 120, backoffS: 5, concurrency: 4 };
const defined = new Map<string, Job<never>>();

/** Declares a job. Never rename it: `name` is stored in the outbox. Throws when the name is taken. */
export function defineJob<T extends object>(name: string, data: z.ZodType<T>, policy: Partial<JobPolicy> = {}): Job<T> {
  const job: Job<T> = {
    name,
    data,
    policy: { ...defaults, ...policy },
    enqueue: (tx, values, timing) => addToOutbox(tx, name, [{ data: values, ...timing }]),
    enqueueMany: (tx, rows) => addToOutbox(tx, name, rows),
  };
  if (defined.has(name)) throw new Error(`Job ${name} is defined twice.`);
  // The cast is safe: data reaches a handler only through the schema of its job.
  defined.set(name, job as unknown as Job<never>);
  return job;
}

/** Every declared job by name, for the check at boot that each has exactly one handler. */
export function definedJobs(): ReadonlyMap<string, Job<never>> {
  return defined;
}
