import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { JobRun } from '../../src/jobs/job-run.entity.js';
import { addToOutbox } from '../../src/jobs/outbox.js';
import { Postponed } from '../../src/jobs/postponed.js';
import { OutboxEntry } from '../../src/jobs/outbox.entity.js';
import { OutboxRepository } from '../../src/jobs/outbox.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import {
  hanging,
  hasty,
  narrow,
  startWorker,
  type TestWorker,
  type TestWorkerOptions,
  work,
} from '../support/job-worker.js';
import { redisIsInstalled, startTestRedis, type TestRedis } from '../support/redis.js';

type Handlers = Parameters<typeof startWorker>[1];

const outbox = new OutboxRepository();
const haveRedis = redisIsInstalled();
const patient = { timeout: 90_000, interval: 20 };

/** Resolves `opened` for all who wait, when `open` is called. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped half-way'))));

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

Logger.overrideLogger(false);

for (const engine of ['embedded', 'bull'])
  describe.skipIf(engine === 'bull' && !haveRedis)(`the queue (${engine})`, () => {
    let test: TestDatabase;
    let redis: TestRedis | undefined;
    const workers: TestWorker[] = [];

    beforeAll(async () => {
      if (engine === 'bull') redis = await startTestRedis();
    });
    afterAll(async () => redis?.remove());
    beforeEach(async () => {
      test = await createTestDatabase([OutboxEntry, JobRun]);
      await redis?.flush();
    });
    afterEach(async () => {
      await Promise.all(workers.splice(0).map((worker) => worker.stop()));
      await test.drop();
    });

    async function worker(
      handlers: Handlers,
      times: TestWorkerOptions['times'] = {},
      laneLimits: TestWorkerOptions['laneLimits'] = [],
    ): Promise<TestWorker> {
      const started = await startWorker({ db: test.db, redisUrl: redis?.url, times, laneLimits }, handlers);
      workers.push(started);
      return started;
    }
    const enqueue = (n: number, afterS?: number): Promise<void> =>
      test.db.write((tx) => work.enqueue(tx, { n }, { afterS }));
    const enqueueMany = (job: string, count: number): Promise<void> =>
      test.db.write((tx) =>
        addToOutbox(
          tx,
          job,
          numbers(count).map((n) => ({ data: { n } })),
        ),
      );
    const entries = (): Promise<OutboxEntry[]> => test.source.getRepository(OutboxEntry).find();
    const runs = (): Promise<JobRun[]> => test.source.getRepository(JobRun).find({ order: { startedAt: 'ASC' } });
    async function only(): Promise<OutboxEntry> {
      const [entry] = await entries();
      if (entry === undefined) throw new Error('The outbox is empty.');
      return entry;
    }
    /** The calendar minute of the database does not end within the next 20 seconds. */
    const sameMinute = (): Promise<void> =>
      vi.waitFor(
        async () => {
          const [row] = await test.source.query<{ second: number }[]>(
            'select extract(second from now())::int as second',
          );
          expect(row?.second).toBeLessThan(40);
        },
        { ...patient, interval: 200 },
      );
    const allDone = (): Promise<void> =>
      vi.waitFor(async () => expect((await entries()).filter((entry) => entry.state !== 'done')).toEqual([]), patient);
    const inState = (state: string): Promise<void> =>
      vi.waitFor(async () => expect((await only()).state).toBe(state), patient);

    it('runs jobs that were committed and not jobs that were rolled back', async () => {
      const ran: number[] = [];
      await worker({ work: (n) => void ran.push(n) });
      const rolledBack = test.db.write(async (tx) => {
        await work.enqueue(tx, { n: 1 });
        throw new Error('changed my mind');
      });
      await expect(rolledBack).rejects.toThrow('changed my mind');
      await enqueue(2);
      await allDone();
      expect(ran).toEqual([2]);
      const [run] = await runs();
      expect(run).toMatchObject({
        job: 'test.work',
        attempt: 1,
        outcome: 'ok',
        error: null,
        worker: expect.stringContaining(`:${process.pid}`),
      });
    });

    it('does not run a job before the transaction that causes it has committed', async () => {
      const ran: number[] = [];
      await worker({ work: (n) => void ran.push(n) });
      await test.db.write(async (tx) => {
        await work.enqueue(tx, { n: 1 });
        await enqueue(2);
        await vi.waitFor(() => expect(ran).toEqual([2]), patient);
      });
      await vi.waitFor(() => expect(ran).toEqual([2, 1]), patient);
    });

    it('does not run a job before it is due', async () => {
      const ran: number[] = [];
      await worker({ work: (n) => void ran.push(n) });
      await enqueue(1, 0.6);
      await enqueue(2);
      await allDone();
      expect(ran.toSorted()).toEqual([1, 2]);
      const [late] = await test.source.query<{ early: boolean }[]>(
        `select started_at < run_at as early from job_run join outbox on outbox.id = outbox_id where data->>'n' = '1'`,
      );
      expect(late).toEqual({ early: false });
    });

    it('retries a failed job with growing delays, makes it a dead letter, and replays it', async () => {
      let broken = true;
      await worker({
        work: (n) => {
          if (broken) throw new TypeError(`no luck with ${n}`);
        },
      });
      await enqueue(7);
      await inState('dead');
      const dead = await only();
      expect(dead).toMatchObject({ attempts: 3, lastError: 'TypeError: no luck with 7', leasedBy: null });
      const failed = await runs();
      expect(failed.map((run) => [run.attempt, run.outcome])).toEqual([
        [1, 'failed'],
        [2, 'failed'],
        [3, 'failed'],
      ]);
      const waits = await test.source.query<{ s: number }[]>(
        `select extract(epoch from started_at - lag(finished_at) over (order by attempt))::float8 as s from job_run
          order by attempt`,
      );
      expect(waits[1]?.s).toBeGreaterThanOrEqual(0.08);
      expect(waits[2]?.s).toBeGreaterThanOrEqual(0.16);

      broken = false;
      expect(await outbox.replay(test.db.single, dead.id)).toBe(true);
      await inState('done');
      expect((await only()).attempts).toBe(1);
      expect(await outbox.replay(test.db.single, dead.id)).toBe(false);
    });

    it('makes a job whose data does not match its schema a dead letter without running it', async () => {
      const ran: number[] = [];
      await worker({ work: (n) => void ran.push(n) });
      await test.db.write((tx) => addToOutbox(tx, 'test.work', [{ data: { n: 'secret-7f3a' } }]));
      await inState('dead');
      expect(ran).toEqual([]);
      const { attempts, lastError } = await only();
      expect(attempts).toBe(1);
      expect(lastError).toContain('n: ');
      expect(lastError).not.toContain('secret-7f3a');
    });

    it('makes a job whose runs keep killing their workers a dead letter', async () => {
      const ran: number[] = [];
      await enqueue(1);
      await test.source.query('update outbox set attempts = 8');
      await worker({ work: (n) => void ran.push(n) });
      await inState('dead');
      expect(ran).toEqual([]);
      expect((await only()).lastError).toBe('The worker died during this run and the runs before it.');
    });

    it('still runs a job during whose runs a few workers died', async () => {
      const attempts: number[] = [];
      await enqueue(1);
      await test.source.query('update outbox set attempts = 7');
      await worker({ work: (_, context) => void attempts.push(context.attempt) });
      await inState('done');
      expect(attempts).toEqual([8]);
    });

    it('runs a job again when its worker was killed during the run', async () => {
      const support = join(__dirname, '..', 'support');
      const program = ['-r', join(support, 'typescript.cjs'), join(support, 'job-worker.child.ts')];
      const child = spawn(process.execPath, [...program, test.url, redis?.url ?? '', '1.5'], { stdio: 'ignore' });
      await enqueue(5);
      await vi.waitUntil(async () => (await runs()).length === 1, patient);
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      const attempts: number[] = [];
      await worker({ work: (_, context) => void attempts.push(context.attempt) }, { runLeaseS: 1.5 });
      await allDone();
      expect(attempts).toEqual([2]);
      expect((await runs()).map((run) => run.outcome)).toEqual(['lost', 'ok']);
    });

    it('spreads jobs over workers and completes each once', async () => {
      const ran: number[] = [];
      const begun = numbers(3).map(gate);
      for (const own of begun) {
        await worker({
          work: async (n) => {
            own.open();
            await Promise.all(begun.map((each) => each.opened));
            ran.push(n);
          },
        });
      }
      await enqueueMany('test.work', 90);
      await allDone();
      expect(ran.sort((a, b) => a - b)).toEqual(numbers(90));
      expect((await runs()).map((run) => run.outcome)).toEqual(numbers(90).map(() => 'ok'));
    });

    it('keeps to the concurrency of each job, so that many runs of one job do not delay the others', async () => {
      let running = 0;
      let most = 0;
      const other = gate();
      await worker({
        narrow: async () => {
          running += 1;
          most = Math.max(most, running);
          await other.opened;
          await sleep(1);
          running -= 1;
        },
        work: () => other.open(),
      });
      await enqueueMany('test.narrow', 60);
      await vi.waitFor(() => expect(running).toBe(2), patient);
      await enqueue(1);
      await allDone();
      expect(most).toBe(2);
    });

    it('delays neither the job nor other lanes when one lane hangs', async () => {
      const hung = gate();
      const ran: number[] = [];
      await worker(
        {
          narrow: async (n) => {
            ran.push(n);
            if (n < 5) await hung.opened;
          },
        },
        { slotMs: 50 },
      );
      await test.db.write((tx) =>
        narrow.enqueueMany(
          tx,
          numbers(7).map((n) => ({ data: { n }, lane: hanging.of(n < 5 ? 'a' : n) })),
        ),
      );
      await vi.waitFor(() => expect(ran).toHaveLength(4), patient);
      expect(ran.filter((n) => n < 5)).toHaveLength(2);
      hung.open();
      await allDone();
    });

    it('starts as many runs of a lane in a minute as the setting permits, over all workers', async () => {
      const ran: number[] = [];
      const limits = [{ lane: 'hanging:a', atOnce: 9, perMinute: 3 }];
      for (let n = 0; n < 2; n += 1) {
        await worker({ work: (n) => void ran.push(n) }, {}, limits);
      }
      await sameMinute();
      await test.db.write((tx) =>
        work.enqueueMany(
          tx,
          numbers(8).map((n) => ({ data: { n }, lane: hanging.of('a') })),
        ),
      );
      await vi.waitFor(() => expect(ran).toHaveLength(3), patient);
      // What is enqueued later and runs shows that the outbox has been looked at since.
      for (let n = 100; n < 105; n += 1) {
        await enqueue(n);
        await vi.waitFor(() => expect(ran).toContain(n), patient);
      }
      expect(ran.filter((n) => n < 100)).toHaveLength(3);
      await test.source.query(`update job_lane set minute = minute - interval '1 minute'`);
      await vi.waitFor(() => expect(ran.filter((n) => n < 100)).toHaveLength(6), patient);
    });

    it('runs a postponed job again without counting the run', async () => {
      const attempts: number[] = [];
      await worker({
        work: (_, { attempt }) => {
          attempts.push(attempt);
          if (attempts.length < 5) throw new Postponed('Somebody else is at it.', 0.01);
        },
      });
      await enqueue(1);
      await allDone();
      expect(attempts).toEqual([1, 1, 1, 1, 1]);
      expect((await runs()).map((run) => run.outcome)).toEqual([...numbers(4).map(() => 'postponed'), 'ok']);
    });

    it('aborts a run that takes too long, and ends it even when its handler ignores the signal', async () => {
      const heard: unknown[] = [];
      await worker(
        {
          hasty: async (n, { signal }) => {
            if (n === 2) await new Promise(() => undefined);
            await untilAborted(signal).catch((error: unknown) => {
              heard.push(signal.reason);
              throw error;
            });
          },
        },
        { graceS: 0.2 },
      );
      await test.db.write((tx) => hasty.enqueue(tx, { n: 1 }));
      await inState('dead');
      expect((await only()).lastError).toBe('Interruption: Not done within 0.2 s.');
      expect(heard).toHaveLength(1);
      await test.db.write((tx) => hasty.enqueue(tx, { n: 2 }));
      await vi.waitFor(
        async () => expect((await entries()).map((entry) => entry.state)).toEqual(['dead', 'dead']),
        patient,
      );
    });

    it('interrupts a run at shutdown without counting the attempt, and another worker runs the job', async () => {
      const begun = gate();
      const first = await worker({
        work: async (_, { signal }) => {
          begun.open();
          await untilAborted(signal);
        },
      });
      await enqueue(1);
      await begun.opened;
      await first.stop();
      expect(await only()).toMatchObject({ state: 'due', attempts: 0, leasedBy: null, leaseUntil: null });
      const attempts: number[] = [];
      await worker({ work: (_, context) => void attempts.push(context.attempt) });
      await allDone();
      expect(attempts).toEqual([1]);
      expect((await runs()).map((run) => [run.attempt, run.outcome])).toEqual([
        [1, 'lost'],
        [1, 'ok'],
      ]);
    });

    it('stores the outcome of a run that ends during shutdown', async () => {
      const begun = gate();
      const only = await worker({
        work: async (_, { signal }) => {
          begun.open();
          await untilAborted(signal).catch(() => undefined);
        },
      });
      await enqueue(1);
      await begun.opened;
      await only.stop();
      expect((await entries()).map((entry) => entry.state)).toEqual(['done']);
    });

    it('aborts a run whose lease another run has taken, and does not store its outcome', async () => {
      const begun = gate();
      const aborted = gate();
      await worker(
        {
          work: async (_, { signal }) => {
            begun.open();
            await untilAborted(signal).catch(() => aborted.open());
          },
        },
        { runLeaseS: 3 },
      );
      await enqueue(1);
      await begun.opened;
      await test.source.query(`update outbox set leased_by = 'another', lease_until = now() + interval '1 hour'`);
      await aborted.opened;
      await vi.waitFor(async () => expect((await runs()).map((run) => run.outcome)).toEqual(['lost']), patient);
      expect(await only()).toMatchObject({ state: 'due', leasedBy: 'another' });
    });

    it('renews the lease of a long run', async () => {
      const attempts: number[] = [];
      await worker(
        {
          work: async (_, context) => {
            attempts.push(context.attempt);
            await sleep(5_000);
          },
        },
        { runLeaseS: 2.4 },
      );
      await enqueue(1);
      await allDone();
      expect(attempts).toEqual([1]);
    });

    it('continues after the database has closed every connection', async () => {
      const ran = new Set<number>();
      await worker({ work: (n) => void ran.add(n) });
      await enqueue(1);
      await allDone();
      const killer = await createTestDatabase([]);
      await killer.source.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
        new URL(test.url).pathname.slice(1),
      ]);
      await killer.drop();
      await vi.waitFor(() => enqueue(2), patient);
      await allDone();
      expect([...ran]).toEqual([1, 2]);
    });
  });

describe.skipIf(!haveRedis)('the queue when Redis fails', () => {
  let test: TestDatabase;
  let redis: TestRedis;
  let ran: Set<number>;
  const workers: TestWorker[] = [];
  const times = { queuedLeaseS: 1, redisTimeoutMs: 400 };

  beforeEach(async () => {
    test = await createTestDatabase([OutboxEntry, JobRun]);
    redis = await startTestRedis();
    ran = new Set();
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    await redis.remove();
    await test.drop();
  });

  async function worker(handler: (n: number) => Promise<void> | void): Promise<TestWorker> {
    const started = await startWorker({ db: test.db, redisUrl: redis.url, times }, { work: handler, narrow: handler });
    workers.push(started);
    return started;
  }
  const enqueueMany = (count: number): Promise<void> =>
    test.db.write((tx) =>
      addToOutbox(
        tx,
        narrow.name,
        numbers(count).map((n) => ({ data: { n } })),
      ),
    );
  const allRan = (count: number): Promise<void> =>
    vi.waitFor(async () => {
      expect(await test.source.getRepository(OutboxEntry).countBy({ state: 'done' })).toBe(count);
      expect(ran.size).toBe(count);
    }, patient);

  it('loses no job when Redis is flushed meanwhile', async () => {
    const half = gate();
    await worker(async (n) => {
      ran.add(n);
      if (ran.size === 30) half.open();
      await sleep(2);
    });
    await enqueueMany(100);
    await half.opened;
    await redis.flush();
    await allRan(100);
  });

  it('runs a job of which a flush has left only what Bull stores when a worker takes it', async () => {
    await enqueueMany(1);
    const [{ id }] = (await test.source.getRepository(OutboxEntry).find()) as [OutboxEntry];
    const client = new Redis(redis.url);
    const keyOf = (jobId: string): string => `perennial:${narrow.name}:${jobId}`;
    await client.hset(keyOf(`${id}-1`), 'processedOn', 1);
    // Taken, and flushed before its data was read.
    await client.lpush(keyOf('wait'), 'taken-1');
    await worker((n) => void ran.add(n));
    await allRan(1);
    await vi.waitFor(async () => {
      expect(await client.exists(keyOf(`${id}-1`), keyOf('taken-1'), keyOf('wait'), keyOf('active'))).toBe(0);
      expect(await client.exists(keyOf('failed'), keyOf('completed'))).toBe(0);
    }, patient);
    client.disconnect();
  });

  it('accepts jobs while Redis is down, also at boot, and runs them when an empty Redis answers again', async () => {
    await redis.stop();
    const { queue } = await worker((n) => void ran.add(n));
    expect(await queue.fault()).toContain('Redis does not answer');
    await enqueueMany(20);
    await redis.start();
    await allRan(20);
    await vi.waitFor(async () => expect(await queue.fault()).toBeNull(), patient);

    await redis.stop();
    ran.clear();
    await test.db.write((tx) => tx.query('delete from outbox'));
    await enqueueMany(30);
    await vi.waitFor(async () => expect(await queue.fault()).not.toBeNull(), patient);
    expect(await outbox.counts(test.db.single)).toMatchObject([{ job: 'test.narrow', state: 'due', count: 30 }]);
    await redis.start();
    await allRan(30);
  });

  it('accepts jobs while Redis hangs, and runs them when it answers again', async () => {
    const { queue } = await worker((n) => void ran.add(n));
    await enqueueMany(1);
    await allRan(1);
    redis.freeze();
    await test.db.write((tx) => work.enqueue(tx, { n: 99 }));
    expect(await queue.fault()).toContain('Redis does not answer');
    redis.thaw();
    await allRan(2);
  });

  it('shuts down while Redis is down, without counting the interrupted attempt', async () => {
    const begun = gate();
    const first = await startWorker(
      { db: test.db, redisUrl: redis.url, times },
      {
        work: async (_, { signal }) => {
          begun.open();
          await untilAborted(signal);
        },
      },
    );
    await test.db.write((tx) => work.enqueue(tx, { n: 1 }));
    await begun.opened;
    await redis.stop();
    await first.stop();
    expect(await test.source.getRepository(OutboxEntry).find()).toMatchObject([
      { state: 'due', attempts: 0, leasedBy: null },
    ]);
  });
});
