import { Logger } from '@nestjs/common';
import Bull from 'bull';
import { Redis, type RedisOptions } from 'ioredis';
import type { JobTimes } from './job-times.js';
import type { JobRef, Queue, RunJob } from './queue.js';

interface JobQueue {
  readonly concurrency: number;
  readonly bull: Bull.Queue<JobRef>;
}

/** Refs of one job that wait in Redis at most. The others wait in the outbox, so that a flush of Redis loses few. */
const longestQueue = 200;
const longestReconnectDelayMs = 2_000;
/** A finished job leaves nothing behind: Bull ignores a new one with the id of one that it knows. */
const leavesNothing = { removeOnComplete: true, removeOnFail: true } as const;
/**
 * Deletes a job without data: Redis was flushed after a worker had taken it, and Bull has stored when that was. Bull
 * would take it for a job that waits, which would never run.
 */
const deleteRemains = `if redis.call('hexists', KEYS[1], 'data') == 0 then redis.call('del', KEYS[1]) end`;

/**
 * The queue on Redis, with one Bull queue for each job: in a shared one Bull adds up the concurrency of all jobs, and
 * many runs of one job would starve the others. Retries and delays are done by the outbox, not by Bull.
 */
export class BullQueue implements Queue {
  private readonly log = new Logger('BullQueue');
  private readonly queues = new Map<string, JobQueue>();
  private readonly connections: Redis[] = [];
  private readonly runs = new Set<Promise<void>>();
  private readonly loops: Promise<void>[] = [];
  private client: Redis | undefined;

  constructor(
    private readonly url: string,
    private readonly times: JobTimes,
  ) {}

  async start(concurrency: ReadonlyMap<string, number>, run: RunJob): Promise<void> {
    const client = this.connect({
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: this.times.redisTimeoutMs,
    });
    this.client = client;
    const subscriber = this.connect();
    for (const [job, limit] of concurrency)
      this.queues.set(job, { concurrency: limit, bull: this.open(job, client, subscriber) });
    for (const queue of this.queues.values()) this.process(queue, run);
    await within(this.times.redisTimeoutMs, connected(client)).catch(() => {
      this.log.warn('Redis does not answer yet. Jobs wait until it does.');
    });
  }

  async capacity(): Promise<ReadonlyMap<string, number>> {
    const queues = [...this.queues];
    const waiting = await Promise.all(queues.map(([, { bull }]) => bull.client.llen(bull.toKey('wait'))));
    return new Map(queues.map(([job], index) => [job, longestQueue - (waiting[index] ?? longestQueue)]));
  }

  async add(refs: readonly JobRef[]): Promise<void> {
    // One by one (ioredis pipelines them), because Bull's addBulk() does not report what Redis refused.
    const added = refs.map(async (ref) => {
      const { bull } = this.queueOf(ref);
      const jobId = `${ref.id}-${ref.attempt}`;
      await bull.client.eval(deleteRemains, 1, bull.toKey(jobId));
      await bull.add(ref, { jobId });
    });
    await within(this.times.redisTimeoutMs, Promise.all(added));
  }

  async stop(): Promise<void> {
    const closed = [...this.queues.values()].map(({ bull }) => bull.close(true));
    await Promise.allSettled(this.runs);
    // When Redis is down, Bull's loops end late or never. Nothing is lost: the outbox has every outcome.
    await within(this.times.redisTimeoutMs, Promise.allSettled([...closed, ...this.loops])).catch(() => undefined);
    for (const connection of this.connections) connection.disconnect();
  }

  async fault(): Promise<string | null> {
    if (this.client === undefined) return null;
    try {
      await this.client.ping();
      return null;
    } catch (error) {
      return (
        'Redis does not answer: ' +
        `${this.client.status === 'ready' ? (error as Error).message : 'there is no connection'}`
      );
    }
  }

  private queueOf(ref: JobRef): JobQueue {
    const queue = this.queues.get(ref.job);
    if (queue === undefined) throw new Error(`The queue does not run the job ${ref.job}.`);
    return queue;
  }

  private open(job: string, client: Redis, subscriber: Redis): Bull.Queue<JobRef> {
    const bull = new Bull<JobRef>(job, {
      prefix: 'perennial',
      createClient: (type) => (type === 'client' ? client : type === 'subscriber' ? subscriber : this.connect()),
      defaultJobOptions: { attempts: 1, ...leavesNothing },
      settings: {
        lockDuration: this.times.runLeaseS * 1000,
        // A job that a dead worker took but did not start is taken over by this check once its lock has expired.
        stalledInterval: (this.times.runLeaseS * 1000) / 3,
        retryProcessDelay: 1_000,
      },
    });
    bull.on('error', this.report);
    // Bull does not await this call. When Redis disconnects meanwhile, the unhandled rejection ends the process.
    return Object.assign(bull, { setWorkerName: () => undefined });
  }

  private process({ bull, concurrency }: JobQueue, run: RunJob): void {
    const runJob = (job: Bull.Job<Partial<JobRef>>): Promise<void> => {
      // Redis was flushed after the job was taken: its data and options are lost, and the outbox hands it out again.
      Object.assign(job.opts, leavesNothing);
      if (!isWhole(job.data)) return Promise.resolve();
      const running = run(job.data).finally(() => this.runs.delete(running));
      this.runs.add(running);
      return running;
    };
    this.loops.push(bull.process(concurrency, runJob).catch(this.report));
  }

  private connect(options: RedisOptions = { maxRetriesPerRequest: null, enableReadyCheck: false }): Redis {
    const connection = new Redis(this.url, {
      connectionName: 'perennial',
      connectTimeout: this.times.redisTimeoutMs,
      keepAlive: 10_000,
      retryStrategy: (times) => Math.min(100 * times, longestReconnectDelayMs),
      ...options,
    });
    // Every Bull queue adds listeners to the shared connections.
    connection.setMaxListeners(0).on('error', this.report);
    this.connections.push(connection);
    return connection;
  }

  /** At debug level only: the relay logs once that Redis is down. */
  private readonly report = (error: Error): void => {
    this.log.debug(`Redis or Bull: ${error.message}`);
  };
}

function isWhole(ref: Partial<JobRef>): ref is JobRef {
  return ref.id !== undefined && ref.job !== undefined;
}

async function connected(client: Redis): Promise<void> {
  if (client.status !== 'ready') await new Promise((resolve) => client.once('ready', resolve));
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis did not answer within ${ms} ms.`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
