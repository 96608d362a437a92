import { Logger } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { Config } from '../platform/config.js';
import { Leases } from './lease.js';
import { Periodic, type TickWork } from './periodic.js';
import { PeriodicRepository } from './periodic.repository.js';

Logger.overrideLogger(false);

const repository = new PeriodicRepository();
const patient = { timeout: 15_000, interval: 10 };
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

let test: TestDatabase;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  test = await createTestDatabase([]);
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  await test.drop();
});

/** One process that ticks. */
function begin(seconds: number, work: TickWork, role: Config['role'] = 'worker'): () => Promise<void> {
  const config = Object.assign(Object.create(Config.prototype) as Config, { role });
  const scheduler = new SchedulerRegistry();
  const periodic = new Periodic(config, test.db, new Leases(test.db), repository, scheduler);
  periodic.everyTick('test.task', seconds, work);
  periodic.onApplicationBootstrap();
  const stop = async (): Promise<void> => {
    for (const timer of scheduler.getIntervals()) scheduler.deleteInterval(timer);
    for (const timer of scheduler.getTimeouts()) scheduler.deleteTimeout(timer);
    await periodic.beforeApplicationShutdown();
  };
  stops.push(stop);
  return stop;
}

describe('a lease', () => {
  it('is held by one process, and free again when its work has ended or failed', async () => {
    const leases = new Leases(test.db);
    await leases.withLease('a', 30, async () => {
      expect(await leases.withLease('a', 30, () => Promise.reject(new Error('must not run')))).toBe(false);
      expect(await leases.withLease('b', 30, async () => undefined)).toBe(true);
    });
    await expect(leases.withLease('a', 30, () => Promise.reject(new Error('bad day')))).rejects.toThrow('bad day');
    expect(await leases.withLease('a', 30, async () => undefined)).toBe(true);
  });

  it('is given to one of many processes that ask at once', async () => {
    let refused = 0;
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const held = await new Leases(test.db).withLease('a', 30, () =>
          vi.waitFor(() => expect(refused).toBe(9), patient),
        );
        if (!held) refused += 1;
        return held;
      }),
    );
    expect(answers.filter((held) => held)).toEqual([true]);
  });

  it('is renewed while the work lasts', async () => {
    const leases = new Leases(test.db);
    await leases.withLease('a', 0.9, async (lost) => {
      const [first] = await test.source.query<{ until: Date }[]>('select until from lease');
      await vi.waitFor(async () => {
        const [now] = await test.source.query<{ late: boolean }[]>(
          `select now() > $1::timestamptz + interval '1 second' as late`,
          [first?.until],
        );
        expect(now?.late).toBe(true);
      }, patient);
      expect(lost.aborted).toBe(false);
      expect(await leases.withLease('a', 30, async () => undefined)).toBe(false);
    });
  });

  it('can be taken by another process once it has expired, and the loser is told', async () => {
    const leases = new Leases(test.db);
    const loser = leases.withLease('a', 0.6, async (lost) => {
      await test.source.query(`update lease set holder = 'another', until = now() + interval '1 hour'`);
      await untilAborted(lost);
    });
    await expect(loser).rejects.toThrow('The lease a was lost.');
    expect(await test.source.query('select holder from lease')).toEqual([{ holder: 'another' }]);
    await test.source.query('update lease set until = now()');
    expect(await leases.withLease('a', 30, async () => undefined)).toBe(true);
  });
});

describe('a periodic task', () => {
  it('runs once per interval, and its success is stored', async () => {
    let ran = 0;
    begin(0.05, async () => void (ran += 1));
    await vi.waitFor(() => expect(ran).toBeGreaterThan(3), patient);
    await stops[0]?.();
    expect(await repository.list(test.db.single)).toMatchObject([
      { name: 'test.task', lastError: null, failures: 0, lastSuccessAt: expect.any(Date) },
    ]);
  });

  it('runs in one of several processes, once per interval', async () => {
    const starts: number[] = [];
    const work: TickWork = async () => {
      const [row] = await test.source.query<{ ms: number }[]>(
        'select extract(epoch from last_started_at)::float8 * 1000 as ms from periodic_task',
      );
      starts.push(row?.ms ?? 0);
    };
    for (let process = 0; process < 3; process += 1) begin(0.3, work);
    await vi.waitFor(() => expect(starts.length).toBeGreaterThan(4), patient);
    const gaps = starts.slice(1).map((ms, index) => ms - (starts[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(270);
  });

  it('never runs twice at the same time, however long it takes', async () => {
    let running = 0;
    let most = 0;
    let ran = 0;
    const slow: TickWork = async () => {
      most = Math.max(most, ++running);
      await vi.waitFor(async () => {
        const [waited] = await test.source.query<{ over: boolean }[]>(
          `select now() > last_started_at + interval '150 milliseconds' as over from periodic_task`,
        );
        expect(waited?.over).toBe(true);
      }, patient);
      running -= 1;
      ran += 1;
    };
    begin(0.02, slow);
    begin(0.02, slow);
    await vi.waitFor(() => expect(ran).toBeGreaterThan(3), patient);
    expect(most).toBe(1);
  });

  it('counts its failures, and is retried', async () => {
    let ran = 0;
    begin(0.05, async () => {
      ran += 1;
      if (ran < 4) throw new RangeError('not yet');
    });
    await vi.waitFor(
      async () =>
        expect(await repository.list(test.db.single)).toMatchObject([
          { lastError: 'RangeError: not yet', lastSuccessAt: null },
        ]),
      patient,
    );
    await vi.waitFor(
      async () => expect(await repository.list(test.db.single)).toMatchObject([{ lastError: null, failures: 0 }]),
      patient,
    );
  });

  it('is aborted at shutdown, which waits for it and does not count it as a failure', async () => {
    let ended = false;
    let begun = false;
    const stop = begin(0.02, async (signal) => {
      begun = true;
      await untilAborted(signal).finally(() => {
        ended = true;
      });
    });
    await vi.waitFor(() => expect(begun).toBe(true), patient);
    await stop();
    expect(ended).toBe(true);
    expect(await repository.list(test.db.single)).toMatchObject([{ failures: 0 }]);
    expect(await test.source.query('select * from lease')).toEqual([]);
  });

  it('does not run in a process that serves requests only', () => {
    const scheduler = vi.spyOn(SchedulerRegistry.prototype, 'addTimeout');
    begin(0.01, async () => undefined, 'api');
    expect(scheduler).not.toHaveBeenCalled();
    begin(0.01, async () => undefined, 'all');
    expect(scheduler).toHaveBeenCalledOnce();
    scheduler.mockRestore();
  });

  it('cannot be declared twice', () => {
    const config = Object.assign(Object.create(Config.prototype) as Config, { role: 'worker' });
    const periodic = new Periodic(config, test.db, new Leases(test.db), repository, new SchedulerRegistry());
    periodic.everyTick('a', 1, async () => undefined);
    expect(() => periodic.everyTick('a', 1, async () => undefined)).toThrow('declared twice');
  });
});
