import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import type { Tx } from '../platform/db/database.js';
import { JobRun } from './job-run.entity.js';
import { addToOutbox } from './outbox.js';
import type { JobRef } from './queue.js';
import { PageQuery } from '../platform/http/page.js';
import { OutboxEntry } from './outbox.entity.js';
import { OutboxRepository } from './outbox.repository.js';
import { type ClaimedRun, RunRepository } from './run.repository.js';

const outbox = new OutboxRepository();
const runs = new RunRepository();
let test: TestDatabase;

beforeEach(async () => {
  test = await createTestDatabase([OutboxEntry, JobRun]);
});
afterEach(() => test.drop());

const add = (job: string, count: number): Promise<void> =>
  addToOutbox(
    test.db.single,
    job,
    Array.from({ length: count }, (_, n) => ({ data: { n } })),
  );
/** Takes due rows in a transaction of its own, as the relay does. */
const takeAll = (capacity: ReadonlyMap<string, number>, leaseS: number): Promise<JobRef[]> =>
  test.db.write((tx) => outbox.takeDue(tx, capacity, leaseS));
const take = (job: string, capacity = 100): Promise<JobRef[]> => takeAll(new Map([[job, capacity]]), 30);
const claimed = async (job: string): Promise<ClaimedRun> => {
  const [ref] = await takeAll(new Map([[job, 1]]), 30);
  if (ref === undefined) throw new Error('Nothing is due.');
  const run = { ref, runId: crypto.randomUUID() };
  await runs.claim(test.db.single, [run], 'here:1', 30);
  return run;
};

const first = PageQuery.parse({});

describe('the outbox', () => {
  it('stores the data of a job unchanged, and its delay by the clock of the database', async () => {
    await addToOutbox(test.db.single, 'a', [{ data: { id: 7, text: `it's "quoted" \\ ü` }, afterS: 0.125 }]);
    const {
      items: [entry],
    } = await outbox.list(test.db.single, first);
    expect(entry && entry.runAt.getTime() - entry.createdAt.getTime()).toBe(125);
    expect(entry).toMatchObject({
      job: 'a',
      data: { id: 7, text: `it's "quoted" \\ ü` },
      state: 'due',
      attempts: 0,
    });
  });

  it('gives each due row to one taker, within the capacity for its job', async () => {
    await add('a', 5);
    await add('b', 2);
    await addToOutbox(test.db.single, 'a', [{ data: {}, afterS: 1e8 }]);
    const capacity = new Map([
      ['a', 3],
      ['b', 9],
      ['c', 1],
    ]);
    const batches = await Promise.all([1, 2, 3].map(() => takeAll(capacity, 30)));
    const ids = batches.flat().map((ref) => ref.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(7);
    for (const batch of batches) expect(batch.filter((ref) => ref.job === 'a').length).toBeLessThanOrEqual(3);
  });

  it('skips rows that another transaction has locked', async () => {
    await add('a', 2);
    await test.db.write(async (tx) => {
      await tx.query(`select from outbox where data->>'n' = '0' for update`);
      expect(await take('a', 9)).toHaveLength(1);
    });
  });

  it('gives a row to the queue again when its lease has expired or is released', async () => {
    await add('a', 1);
    const capacity = new Map([['a', 1]]);
    const first = await takeAll(capacity, 30);
    expect(await takeAll(capacity, 30)).toEqual([]);
    await outbox.release(test.db.single, first);
    expect(await takeAll(capacity, 0)).toEqual(first);
    expect(await takeAll(capacity, 30)).toEqual(first);
  });

  it('lets one of many concurrent claims of a row succeed', async () => {
    await add('a', 1);
    const [ref] = await takeAll(new Map([['a', 1]]), 30);
    if (ref === undefined) throw new Error('Nothing is due.');
    const claims = await Promise.all(
      Array.from({ length: 8 }, () => runs.claim(test.db.single, [{ ref, runId: crypto.randomUUID() }], 'here:1', 30)),
    );
    expect(claims.flat().filter((claim) => claim !== undefined)).toEqual([{ data: { n: 0 } }]);
    expect(await test.source.getRepository(JobRun).count()).toBe(1);
  });

  it('refuses the claim of a ref whose row has had another run since', async () => {
    await add('a', 1);
    const run = await claimed('a');
    await runs.retry(test.db.single, run, 'no', 0);
    const stale = { ref: run.ref, runId: crypto.randomUUID() };
    expect(await runs.claim(test.db.single, [stale], 'here:1', 30)).toEqual([undefined]);
    expect((await claimed('a')).ref.attempt).toBe(2);
  });

  it('stores nothing for a run whose row another run holds, even with the same attempt number', async () => {
    await add('a', 1);
    const stale = await claimed('a');
    await test.source.query(`update outbox set lease_until = now(), attempts = 0`);
    const current = await claimed('a');
    expect(current.ref).toEqual(stale.ref);
    expect(await runs.extend(test.db.single, [stale, current], 30)).toEqual(new Set([current.runId]));
    expect(await runs.complete(test.db.single, [stale])).toEqual([false]);
    expect(await runs.markDead(test.db.single, stale, 'x')).toBe(false);
    expect(await runs.handBack(test.db.single, stale)).toBe(false);
    expect(await runs.complete(test.db.single, [current])).toEqual([true]);
  });

  it('claims many rows in one statement, each for one run, and completes those that a run still holds', async () => {
    await add('a', 3);
    const refs = await take('a');
    const begun = [...refs, refs[0] as JobRef].map((ref) => ({ ref, runId: crypto.randomUUID() }));
    const claims = await runs.claim(test.db.single, begun, 'here:1', 30);
    expect(claims.slice(1, 3)).toEqual([{ data: { n: expect.any(Number) } }, { data: { n: expect.any(Number) } }]);
    expect([claims[0], claims[3]].filter((claim) => claim === undefined)).toHaveLength(1);
    await test.source.query(`update outbox set leased_by = 'another' where id = $1`, [refs[1]?.id]);
    const held = await runs.complete(test.db.single, begun);
    expect(held).toEqual([claims[0] !== undefined, false, true, claims[3] !== undefined]);
    const outcomes = await test.source.query<{ outcome: string }[]>('select outcome from job_run order by outcome');
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['lost', 'ok', 'ok']);
    expect(await test.source.getRepository(OutboxEntry).countBy({ state: 'done' })).toBe(2);
  });

  it('doubles the wait after each failure, with 20 % jitter', async () => {
    await add('a', 1);
    for (const expectedS of [1000, 2000, 4000]) {
      await runs.retry(test.db.single, await claimed('a'), 'no', 1000);
      const [wait] = await test.source.query<{ s: number }[]>(
        `select extract(epoch from run_at - now())::float8 as s from outbox`,
      );
      expect(wait?.s).toBeGreaterThan(expectedS * 0.79);
      expect(wait?.s).toBeLessThan(expectedS * 1.21);
      await test.source.query('update outbox set run_at = now()');
    }
  });

  it('lists the newest rows first, in pages without gaps or repeats', async () => {
    await add('a', 5);
    await add('b', 5);
    const ids: string[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const page = await outbox.list(test.db.single, PageQuery.parse({ count: '4', ...(after && { after }) }));
      ids.push(...page.items.map((entry) => entry.id));
      after = page.next;
    }
    expect(new Set(ids).size).toBe(10);
    expect(ids).toHaveLength(10);
    const jobs = (await outbox.list(test.db.single, { ...first, job: 'b', state: 'due' })).items.map(
      (entry) => entry.job,
    );
    expect(jobs).toEqual(['b', 'b', 'b', 'b', 'b']);
    expect(await outbox.list(test.db.single, { ...first, state: 'dead' })).toEqual({ items: [], total: 0 });
  });

  it('counts the due and dead rows of each job, and how long the oldest has waited', async () => {
    await add('a', 3);
    await test.source.query(`update outbox set run_at = now() - interval '90 seconds'`);
    await add('b', 1);
    await runs.markDead(test.db.single, await claimed('b'), 'x');
    await runs.complete(test.db.single, [await claimed('a')]);
    const counts = await outbox.counts(test.db.single);
    expect(counts).toMatchObject([
      { job: 'a', state: 'due', count: 2 },
      { job: 'b', state: 'dead', count: 1, overdueS: 0 },
    ]);
    expect(counts[0]?.overdueS).toBeGreaterThanOrEqual(90);
  });

  it('prunes old done rows and old runs in batches, and dead letters later', async () => {
    await add('a', 5);
    await add('b', 1);
    for (let n = 0; n < 4; n += 1) await runs.complete(test.db.single, [await claimed('a')]);
    await runs.markDead(test.db.single, await claimed('b'), 'x');
    await test.source.query(`update outbox set finished_at = now() - interval '2 hours' where finished_at is not null`);
    await test.source.query(`update job_run set started_at = now() - interval '2 hours' where job = 'b'`);
    expect(await outbox.prune(test.db.single, { doneS: 10_800, deadS: 10_800, runsS: 10_800 }, 3)).toBe(0);
    const ages = { doneS: 3_600, deadS: 10_800, runsS: 3_600 };
    expect(await outbox.prune(test.db.single, ages, 3)).toBe(4);
    expect(await outbox.prune(test.db.single, ages, 3)).toBe(1);
    const left = await outbox.list(test.db.single, first);
    expect(left.items.map((entry) => entry.state).sort()).toEqual(['dead', 'due']);
    expect(await test.source.getRepository(JobRun).count()).toBe(4);
    expect(await outbox.prune(test.db.single, { ...ages, deadS: 3_600 }, 3)).toBe(1);
  });
});

describe('the identity of a job', () => {
  const rows = (): Promise<{ state: string; attempts: number; waiting: boolean; early: boolean }[]> =>
    test.source.query('select state, attempts, waiting, run_at <= now() as early from outbox order by created_at, id');
  const tomorrow = { afterS: 86_400 };

  it('makes a job that is enqueued twice wait once, at the earlier time', async () => {
    await addToOutbox(test.db.single, 'a', [{ data: { x: 1, y: 2 }, ...tomorrow }]);
    await addToOutbox(test.db.single, 'a', [{ data: { y: 2, x: 1 } }, { data: { x: 1, y: 2 }, ...tomorrow }]);
    await addToOutbox(test.db.single, 'a', [{ data: { x: 1, y: 2 }, ...tomorrow }]);
    await addToOutbox(test.db.single, 'b', [{ data: { x: 1, y: 2 } }]);
    expect(await rows()).toMatchObject([{ early: true }, { early: true }]);
    expect(await take('a')).toHaveLength(1);
  });

  it('tells long data apart', async () => {
    const ids = Array.from({ length: 400 }, (_, n) => n);
    const data = [ids, [...ids, 400], ids].map((noticeIds) => ({ data: { noticeIds } }));
    await addToOutbox(test.db.single, 'a', data);
    expect(await rows()).toHaveLength(2);
  });

  it('adds a second one while the first runs, and does not run both at once', async () => {
    await add('a', 1);
    const run = await claimed('a');
    await add('a', 1);
    await add('a', 1);
    expect(await rows()).toHaveLength(2);
    expect(await take('a')).toEqual([]);
    await runs.complete(test.db.single, [run]);
    expect(await take('a')).toHaveLength(1);
  });

  it('runs the one that failed before the one that was added meanwhile', async () => {
    await add('a', 1);
    const run = await claimed('a');
    await add('a', 1);
    await runs.retry(test.db.single, run, 'no', 0);
    expect((await take('a')).map((ref) => ref.attempt)).toEqual([2]);
    expect(await take('a')).toEqual([]);
  });

  it('waits again after a failure, a postponement, a shutdown and a replay', async () => {
    const endings = [
      (run: ClaimedRun) => runs.retry(test.db.single, run, 'no', 0),
      (run: ClaimedRun) => runs.postpone(test.db.single, run, 'busy', 0),
      (run: ClaimedRun) => runs.handBack(test.db.single, run),
      async (run: ClaimedRun) => {
        await runs.markDead(test.db.single, run, 'no');
        return outbox.replay(test.db.single, run.ref.id);
      },
    ];
    for (const end of endings) {
      await add('a', 1);
      expect(await end(await claimed('a'))).toBe(true);
      await add('a', 1);
      expect(await rows()).toMatchObject([{ state: 'due', waiting: true }]);
      await test.source.query('delete from outbox');
    }
  });

  it('does not count a postponed run as an attempt, and stores the reason', async () => {
    await add('a', 1);
    await runs.postpone(test.db.single, await claimed('a'), 'busy', 60);
    expect(await rows()).toMatchObject([{ attempts: 0, early: false }]);
    expect(await test.source.getRepository(JobRun).find()).toMatchObject([{ outcome: 'postponed', error: 'busy' }]);
  });

  it('deletes the dead letter of a job that succeeds later', async () => {
    await add('a', 2);
    await runs.markDead(test.db.single, await claimed('a'), 'no');
    await runs.markDead(test.db.single, await claimed('a'), 'no');
    await add('a', 1);
    await runs.complete(test.db.single, [await claimed('a')]);
    expect((await rows()).map((row) => row.state).sort()).toEqual(['dead', 'done']);
  });

  it('holds a job back until every transaction that asked for it has ended', async () => {
    await addToOutbox(test.db.single, 'a', [{ data: {}, ...tomorrow }]);
    await test.db.write(async (tx) => {
      await addToOutbox(tx, 'a', [{ data: {}, ...tomorrow }]);
      await test.db
        .write(async (other) => {
          await other.query(`set local lock_timeout = '50ms'`);
          await expect(addToOutbox(other, 'a', [{ data: {} }])).rejects.toThrow('lock timeout');
          await other.query('rollback');
        })
        .catch(() => undefined);
    });
    expect(await take('a')).toEqual([]);
  });

  it('does not deadlock when transactions add the same jobs in different orders', async () => {
    const data = Array.from({ length: 50 }, (_, n) => ({ data: { n } }));
    const both = [data, [...data].reverse()].flatMap((rows) => [rows, rows, rows]);
    await Promise.all(both.map((rows) => test.source.transaction((tx) => addToOutbox(tx as Tx, 'a', rows))));
    expect(await rows()).toHaveLength(50);
  });
});
