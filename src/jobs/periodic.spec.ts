import { hostname } from 'node:os';
import { Logger } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { Config } from '../platform/config.js';
import { PageQuery } from '../platform/http/page.js';
import { ClockSteps } from './clock-steps.js';
import { Leases } from './lease.js';
import { OutboxRepository } from './outbox.repository.js';
import { Periodic, type TickWork } from './periodic.js';
import { PeriodicRepository } from './periodic.repository.js';
import { TaskReport } from './task-report.js';

Logger.overrideLogger(false);

const repository = new PeriodicRepository();
const patient = { timeout: 90_000, interval: 10 };
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

function periodicOf(config: Config, scheduler: SchedulerRegistry): Periodic {
  const leases = new Leases(test.db);
  const clockSteps = new ClockSteps(test.db, repository, new OutboxRepository(), leases);
  return new Periodic(config, test.db, leases, repository, scheduler, clockSteps);
}

/** One process that ticks. */
function begin(seconds: number, work: TickWork, role: Config['role'] = 'worker'): () => Promise<void> {
  const config = Object.assign(Object.create(Config.prototype) as Config, { role });
  const scheduler = new SchedulerRegistry();
  const periodic = periodicOf(config, scheduler);
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
    // Long enough that a renewal which is late on a busy machine comes in time.
    await leases.withLease('a', 6, async (lost) => {
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
    let isBroken = true;
    begin(0.05, async () => {
      if (isBroken) throw new RangeError('not yet');
    });
    await vi.waitFor(async () => {
      const [task] = await repository.list(test.db.single);
      expect(task).toMatchObject({ lastError: 'RangeError: not yet', lastSuccessAt: null });
      expect(task?.failures).toBeGreaterThan(2);
    }, patient);
    isBroken = false;
    await vi.waitFor(
      async () => expect(await repository.list(test.db.single)).toMatchObject([{ lastError: null, failures: 0 }]),
      patient,
    );
  });

  it('stores each run with its counts, the items that failed, and why the run failed', async () => {
    let ran = 0;
    const stop = begin(0.05, async (_signal, report) => {
      ran += 1;
      report.count('renewals', 3);
      report.failed('certificate 17', new RangeError('no key'));
      if (ran === 1) throw new Error('The disk is full.');
    });
    await vi.waitFor(() => expect(ran).toBeGreaterThan(1), patient);
    await stop();
    const { items } = await repository.listRuns(test.db.single, 'test.task', PageQuery.parse({}));
    const did = { counts: { renewals: 3, failed: 1 } };
    expect(items.at(-1)).toMatchObject({ outcome: 'failed', error: 'Error: The disk is full.', ...did });
    expect(items.at(-2)).toMatchObject({
      outcome: 'ok',
      error: null,
      worker: `${hostname()}:${process.pid}`,
      startedAt: expect.any(Date),
      finishedAt: expect.any(Date),
      failures: [{ item: 'certificate 17', error: 'RangeError: no key' }],
      ...did,
    });
  });

  it('continues at once, whatever its interval, when the process of a run has died or was shut down', async () => {
    const died = await repository.begin(test.db.single, 'test.task', 0, 'dead:1');
    expect(await repository.begin(test.db.single, 'another.task', 0, 'dead:1')).not.toBeNull();
    expect(await repository.urgent(test.db.single)).toEqual(['another.task', 'test.task']);
    await test.source.query(`insert into lease values ('periodic:another.task', 'x', now() + interval '1 minute')`);
    expect(await repository.urgent(test.db.single)).toEqual(['test.task']);
    const next = await repository.begin(test.db.single, 'test.task', 3_600, 'alive:2');
    expect(next).not.toBeNull();
    const runs = await test.source.query('select id, outcome from task_run where task = $1 order by id', ['test.task']);
    expect(runs).toEqual([
      { id: died?.id, outcome: 'lost' },
      { id: next?.id, outcome: null },
    ]);
    if (next) await repository.stopped(test.db.single, next, new TaskReport());
    expect(await repository.urgent(test.db.single)).toEqual(['test.task']);
    expect(await repository.begin(test.db.single, 'test.task', 3_600, 'alive:3')).not.toBeNull();
  });

  it('does not run while it is paused, unless somebody wants it, and runs again when it is resumed', async () => {
    const start = (): Promise<unknown> => repository.begin(test.db.single, 'test.task', 0, 'here:1');
    expect(await repository.pause(test.db.single, 'test.task', 'ada')).toBe(true);
    expect(await repository.pause(test.db.single, 'test.task', 'bob')).toBe(false);
    expect(await start()).toBeNull();
    expect(await repository.list(test.db.single)).toMatchObject([
      { lastStartedAt: null, pausedBy: 'ada', pausedAt: expect.any(Date), running: false },
    ]);
    await repository.want(test.db.single, 'test.task');
    expect(await start()).not.toBeNull();
    expect(await start()).toBeNull();
    expect(await repository.resume(test.db.single, 'test.task')).toBe(true);
    expect(await start()).not.toBeNull();
  });

  it('keeps its newest runs, and those that failed', async () => {
    await test.source.query(
      `insert into task_run (task, worker, finished_at, outcome)
       select 'test.task', 'a:1', now(), case when n = 1 then 'failed' else 'ok' end from generate_series(1, 1010) n`,
    );
    const { items } = await repository.listRuns(test.db.single, 'test.task', PageQuery.parse({ count: '2' }));
    expect(items.map(({ id }) => id)).toEqual(['1010', '1009']);
    expect(await repository.prune(test.db.single, 5)).toBe(5);
    expect(await repository.prune(test.db.single, 100)).toBe(4);
    const [left] = await test.source.query<object[]>(
      `select count(*)::int, count(*) filter (where outcome = 'failed')::int as failed from task_run`,
    );
    expect(left).toEqual({ count: 1001, failed: 1 });
  });

  it('is aborted at shutdown, which waits for it and does not count it as a failure', async () => {
    let ended = false;
    let begun = false;
    const stop = begin(0.02, async (signal) => {
      begun = true;
      await untilAborted(signal).catch(() => {
        ended = true;
      });
    });
    await vi.waitFor(() => expect(begun).toBe(true), patient);
    await stop();
    expect(ended).toBe(true);
    expect(await repository.list(test.db.single)).toMatchObject([{ failures: 0 }]);
    expect(await test.source.query('select outcome from task_run')).toEqual([{ outcome: 'stopped' }]);
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
    const periodic = periodicOf(config, new SchedulerRegistry());
    periodic.everyTick('a', 1, async () => undefined);
    expect(() => periodic.everyTick('a', 1, async () => undefined)).toThrow('declared twice');
  });
});
