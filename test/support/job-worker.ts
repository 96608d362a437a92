import { z } from 'zod';
import { Config } from '../../src/platform/config.js';
import type { Database } from '../../src/platform/db/database.js';
import { defineJob, type JobContext } from '../../src/jobs/define-job.js';
import { defineLane, type LaneLimit } from '../../src/jobs/lane.js';
import { Jobs } from '../../src/jobs/job-runner.js';
import { JobTimes } from '../../src/jobs/job-times.js';
import { OutboxRepository } from '../../src/jobs/outbox.repository.js';
import { createQueue } from '../../src/jobs/jobs.module.js';
import type { Queue } from '../../src/jobs/queue.js';
import { Relay } from '../../src/jobs/relay.js';
import { RunRepository } from '../../src/jobs/run.repository.js';
import { Runs } from '../../src/jobs/runs.js';

const data = z.strictObject({ n: z.number() });

/** Three tries, one after another without much wait; four at once. */
export const work = defineJob('test.work', data, { attempts: 3, backoffS: 0.1, timeoutS: 20, concurrency: 4 });
/** Two at once. */
export const narrow = defineJob('test.narrow', data, { concurrency: 2, timeoutS: 20 });
/** Two at once in one lane. */
export const hanging = defineLane('hanging', { atOnce: 2 });
/** One try of a fifth of a second. */
export const hasty = defineJob('test.hasty', data, { attempts: 1, timeoutS: 0.2 });

export type TestHandler = (n: number, context: JobContext) => Promise<void> | void;

/** What one job process is made of, without the framework. */
export interface TestWorker {
  queue: Queue;
  stop(): Promise<void>;
}

/** Where a worker finds its work, and the waits that it bends. */
export interface TestWorkerOptions {
  db: Database;
  redisUrl?: string | undefined;
  times?: Partial<JobTimes>;
  laneLimits?: readonly LaneLimit[] | undefined;
}

/** Starts a worker; a job without a handler here does nothing. */
export async function startWorker(
  options: TestWorkerOptions,
  handlers: { work?: TestHandler; narrow?: TestHandler; hasty?: TestHandler },
): Promise<TestWorker> {
  const times = Object.assign(new JobTimes(), { pollMs: 20, outagePollMs: 100, redisTimeoutMs: 1_000 }, options.times);
  const config = Object.assign(Object.create(Config.prototype) as Config, {
    role: 'worker',
    redisUrl: options.redisUrl,
    laneLimits: options.laneLimits,
  });
  const queue = await createQueue(config, times);
  const outbox = new OutboxRepository();
  const jobs = new Jobs(
    config,
    queue,
    new Relay(config, options.db, outbox, queue, times),
    new Runs(options.db, outbox, new RunRepository(), times),
  );
  jobs.handle(work, async ({ n }, context) => handlers.work?.(n, context));
  jobs.handle(narrow, async ({ n }, context) => handlers.narrow?.(n, context));
  jobs.handle(hasty, async ({ n }, context) => handlers.hasty?.(n, context));
  await jobs.onApplicationBootstrap();
  return { queue, stop: () => jobs.beforeApplicationShutdown() };
}
