/** The next run of an outbox row. This is all that the queue stores. */
export interface JobRef {
  readonly id: string;
  readonly job: string;
  /** Empty when the job is in no lane. */
  readonly lane: string;
  /** 1 for the first run. A ref of an earlier attempt is stale: its claim fails. */
  readonly attempt: number;
}

/**
 * Runs the job and stores the outcome; rejects only when the outcome could not be stored. Resolves when the run has
 * ended, or earlier when it frees its slot: a slow run in a lane is limited by the lane alone.
 */
export type RunJob = (ref: JobRef) => Promise<void>;

/** Decides which process runs a due job, and when. It may lose or repeat a ref: the outbox is the record. */
export abstract class Queue {
  /**
   * Starts to run what is added. `concurrency` has every job that this process runs, with how many runs of it may be
   * under way here at once. Calls `wake` when a job had no free slot and has one again.
   */
  abstract start(concurrency: ReadonlyMap<string, number>, run: RunJob, wake: () => void): Promise<void>;
  /** How many refs of each job the queue takes now. Throws when the queue is down. */
  abstract capacity(): Promise<ReadonlyMap<string, number>>;
  /** Throws within seconds when the queue is down; some of the refs may have been added nevertheless. */
  abstract add(refs: readonly JobRef[]): Promise<void>;
  /** Starts no further run; resolves when the current runs have ended. */
  abstract stop(): Promise<void>;
  /** Why the queue is down; null when it works. */
  abstract fault(): Promise<string | null>;
}
