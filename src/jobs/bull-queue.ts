import { Logger } from '@nestjs/common';
import Bull from 'bull';
import { Redis, type RedisOptions } from 'ioredis';
import type { JobTimes } from './job-times.js';
import type { JobRef, Queue, RunRef } from './queue.js';

interface Lane {
  readonly limit: number;
  readonly bull: Bull.Queue<JobRef>;
}

/** Refs of one job that may wait in Redis at once; the rest waits in the outbox, where a flush cannot reach it. */
const window = 200;
const slowestReconnectMs = 2_000;

/**
 * The queue on Redis. One Bull queue per job: in a shared one Bull adds the concurrencies of all jobs up, and a flood
 * of one job would starve the others. Bull's own retries and delays are not used.
 */
export class BullQueue implements Queue {
  private readonly log = new Logger('BullQueue');
  private readonly lanes = new Map<string, Lane>();
  private readonly connections: Redis[] = [];
  private readonly runs = new Set<Promise<void>>();
  private readonly loops: Promise<void>[] = [];
  private client: Redis | undefined;

  constructor(
    private readonly url: string,
    private readonly times: JobTimes,
  ) {}

  async start(lanes: ReadonlyMap<string, number>, run: RunRef): Promise<void> {
    const client = this.connect({
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: this.times.redisTimeoutMs,
    });
    this.client = client;
    const subscriber = this.connect();
    for (const [job, limit] of lanes) this.lanes.set(job, { limit, bull: this.open(job, client, subscriber) });
    for (const lane of this.lanes.values()) this.work(lane, run);
    await within(this.times.redisTimeoutMs, connected(client)).catch(() => {
      this.log.warn('Redis does not answer yet; jobs wait for it.');
    });
  }

  async room(): Promise<ReadonlyMap<string, number>> {
    const lanes = [...this.lanes];
    const waiting = await Promise.all(lanes.map(([, { bull }]) => bull.client.llen(bull.toKey('wait'))));
    return new Map(lanes.map(([job], index) => [job, window - (waiting[index] ?? window)]));
  }

  async hand(refs: readonly JobRef[]): Promise<void> {
    // One by one, pipelined on the socket: Bull's bulk call does not report what Redis refused.
    const added = refs.map((ref) => this.laneOf(ref).bull.add(ref, { jobId: `${ref.id}-${ref.attempt}` }));
    await within(this.times.redisTimeoutMs, Promise.all(added));
  }

  async stop(): Promise<void> {
    const closed = [...this.lanes.values()].map((lane) => lane.bull.close(true));
    await Promise.allSettled(this.runs);
    // Without Redis Bull's loops end late or never; what they would still tell it, the outbox knows.
    await within(this.times.redisTimeoutMs, Promise.allSettled([...closed, ...this.loops])).catch(() => undefined);
    for (const connection of this.connections) connection.disconnect();
  }

  async ready(): Promise<string | null> {
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

  private laneOf(ref: JobRef): Lane {
    const lane = this.lanes.get(ref.job);
    if (lane === undefined) throw new Error(`The queue was not started for ${ref.job}.`);
    return lane;
  }

  private open(job: string, client: Redis, subscriber: Redis): Bull.Queue<JobRef> {
    const bull = new Bull<JobRef>(job, {
      prefix: 'perennial',
      createClient: (type) => (type === 'client' ? client : type === 'subscriber' ? subscriber : this.connect()),
      defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
      settings: {
        lockDuration: this.times.runLeaseS * 1000,
        // What a dead worker had taken and not begun waits for this look after its lock has lapsed.
        stalledInterval: (this.times.runLeaseS * 1000) / 3,
        retryProcessDelay: 1_000,
      },
    });
    bull.on('error', this.report);
    // Bull drops the promise of this call: a Redis that goes away meanwhile would end the process.
    return Object.assign(bull, { setWorkerName: () => undefined });
  }

  private work({ bull, limit }: Lane, run: RunRef): void {
    const process = (job: Bull.Job<JobRef>): Promise<void> => {
      const running = run(job.data).finally(() => this.runs.delete(running));
      this.runs.add(running);
      return running;
    };
    this.loops.push(bull.process(limit, process).catch(this.report));
  }

  private connect(options: RedisOptions = { maxRetriesPerRequest: null, enableReadyCheck: false }): Redis {
    const connection = new Redis(this.url, {
      connectionName: 'perennial',
      connectTimeout: this.times.redisTimeoutMs,
      keepAlive: 10_000,
      retryStrategy: (times) => Math.min(100 * times, slowestReconnectMs),
      ...options,
    });
    // Every lane listens on the shared connections.
    connection.setMaxListeners(0).on('error', this.report);
    this.connections.push(connection);
    return connection;
  }

  /** Quiet: that Redis is down the relay says, once. */
  private readonly report = (error: Error): void => {
    this.log.debug(`Redis or Bull: ${error.message}`);
  };
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
