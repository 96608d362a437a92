import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { JobRun } from './job-run.entity.js';
import { addManyToOutbox, addToOutbox } from './outbox.js';
import { PageQuery } from '../platform/http/page.js';
import { OutboxEntry } from './outbox.entity.js';
import { OutboxRepository } from './outbox.repository.js';

const outbox = new OutboxRepository();
let test: TestDatabase;

beforeEach(async () => {
  test = await createTestDatabase([OutboxEntry, JobRun]);
});
afterEach(() => test.drop());

const add = (job: string, count: number): Promise<void> =>
  addManyToOutbox(
    test.db.single,
    job,
    Array.from({ length: count }, (_, n) => ({ data: { n } })),
  );
const claimed = async (job: string): Promise<{ ref: { id: string; job: string; attempt: number }; runId: string }> => {
  const [ref] = await outbox.takeDue(test.db.single, new Map([[job, 1]]), 30);
  if (ref === undefined) throw new Error('Nothing is due.');
  const run = { ref, runId: crypto.randomUUID() };
  await outbox.claim(test.db.single, run, 'here:1', 30);
  return run;
};

const first = PageQuery.parse({});

describe('the outbox', () => {
  it('keeps data and due time exactly', async () => {
    const runAt = new Date('2031-02-03T04:05:06.789Z');
    await addToOutbox(test.db.single, 'a', { id: 7, text: `it's "quoted" \\ ü` }, runAt);
    const {
      items: [entry],
    } = await outbox.list(test.db.single, first);
    expect(entry).toMatchObject({
      job: 'a',
      data: { id: 7, text: `it's "quoted" \\ ü` },
      runAt,
      state: 'due',
      attempts: 0,
    });
  });

  it('hands each due row to one taker, within the room of its job', async () => {
    await add('a', 5);
    await add('b', 2);
    await addToOutbox(test.db.single, 'a', {}, new Date('2031-01-01T00:00:00Z'));
    const room = new Map([
      ['a', 3],
      ['b', 9],
      ['c', 1],
    ]);
    const batches = await Promise.all([1, 2, 3].map(() => outbox.takeDue(test.db.single, room, 30)));
    const ids = batches.flat().map((ref) => ref.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(7);
    for (const batch of batches) expect(batch.filter((ref) => ref.job === 'a').length).toBeLessThanOrEqual(3);
  });

  it('passes over rows that another transaction is taking', async () => {
    await add('a', 2);
    await test.db.write(async (tx) => {
      expect(await outbox.takeDue(tx, new Map([['a', 1]]), 30)).toHaveLength(1);
      expect(await outbox.takeDue(test.db.single, new Map([['a', 9]]), 30)).toHaveLength(1);
    });
  });

  it('gives out a row again when its lease lapses or is released', async () => {
    await add('a', 1);
    const room = new Map([['a', 1]]);
    const first = await outbox.takeDue(test.db.single, room, 30);
    expect(await outbox.takeDue(test.db.single, room, 30)).toEqual([]);
    await outbox.release(test.db.single, first);
    expect(await outbox.takeDue(test.db.single, room, 0)).toEqual(first);
    expect(await outbox.takeDue(test.db.single, room, 30)).toEqual(first);
  });

  it('lets one of many claims win', async () => {
    await add('a', 1);
    const [ref] = await outbox.takeDue(test.db.single, new Map([['a', 1]]), 30);
    if (ref === undefined) throw new Error('Nothing is due.');
    const claims = await Promise.all(
      Array.from({ length: 8 }, () => outbox.claim(test.db.single, { ref, runId: crypto.randomUUID() }, 'here:1', 30)),
    );
    expect(claims.filter((claim) => claim !== undefined)).toEqual([{ data: { n: 0 } }]);
    expect(await test.source.getRepository(JobRun).count()).toBe(1);
  });

  it('lets no ref claim a row that has moved on', async () => {
    await add('a', 1);
    const run = await claimed('a');
    await outbox.retry(test.db.single, run, 'no', 0);
    const stale = { ref: run.ref, runId: crypto.randomUUID() };
    expect(await outbox.claim(test.db.single, stale, 'here:1', 30)).toBeUndefined();
    expect((await claimed('a')).ref.attempt).toBe(2);
  });

  it('records nothing for a run that another has replaced, even with the same attempt number', async () => {
    await add('a', 1);
    const stale = await claimed('a');
    await test.source.query(`update outbox set lease_until = now(), attempts = 0`);
    const current = await claimed('a');
    expect(current.ref).toEqual(stale.ref);
    expect(await outbox.extend(test.db.single, [stale, current], 30)).toEqual(new Set([current.runId]));
    expect(await outbox.complete(test.db.single, stale)).toBe(false);
    expect(await outbox.bury(test.db.single, stale, 'x')).toBe(false);
    expect(await outbox.handBack(test.db.single, stale)).toBe(false);
    expect(await outbox.complete(test.db.single, current)).toBe(true);
  });

  it('doubles the wait after each failure, give or take a fifth', async () => {
    await add('a', 1);
    for (const expectedS of [1000, 2000, 4000]) {
      await outbox.retry(test.db.single, await claimed('a'), 'no', 1000);
      const [wait] = await test.source.query<{ s: number }[]>(
        `select extract(epoch from run_at - now())::float8 as s from outbox`,
      );
      expect(wait?.s).toBeGreaterThan(expectedS * 0.79);
      expect(wait?.s).toBeLessThan(expectedS * 1.21);
      await test.source.query('update outbox set run_at = now()');
    }
  });

  it('lists newest first, in pages without gaps or repeats', async () => {
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

  it('counts what is due and dead, and how long the oldest has waited', async () => {
    await add('a', 3);
    await test.source.query(`update outbox set run_at = now() - interval '90 seconds'`);
    await add('b', 1);
    await outbox.bury(test.db.single, await claimed('b'), 'x');
    await outbox.complete(test.db.single, await claimed('a'));
    const counts = await outbox.counts(test.db.single);
    expect(counts).toMatchObject([
      { job: 'a', state: 'due', count: 2 },
      { job: 'b', state: 'dead', count: 1, overdueS: 0 },
    ]);
    expect(counts[0]?.overdueS).toBeGreaterThanOrEqual(90);
  });

  it('prunes old done rows and old runs in batches, and never dead letters', async () => {
    await add('a', 5);
    await add('b', 1);
    for (let n = 0; n < 4; n += 1) await outbox.complete(test.db.single, await claimed('a'));
    await outbox.bury(test.db.single, await claimed('b'), 'x');
    await test.source.query(`update outbox set finished_at = now() - interval '2 hours' where finished_at is not null`);
    await test.source.query(`update job_run set started_at = now() - interval '2 hours' where job = 'b'`);
    expect(await outbox.prune(test.db.single, 10_800, 10_800, 3)).toBe(0);
    expect(await outbox.prune(test.db.single, 3_600, 3_600, 3)).toBe(4);
    expect(await outbox.prune(test.db.single, 3_600, 3_600, 3)).toBe(1);
    const left = await outbox.list(test.db.single, first);
    expect(left.items.map((entry) => entry.state).sort()).toEqual(['dead', 'due']);
    expect(await test.source.getRepository(JobRun).count()).toBe(4);
  });

  it('finds what is due by an index, however much is done', async () => {
    await test.source.query(
      `insert into outbox (id, job, data, state, finished_at) select gen_random_uuid(), 'a', '{}', 'done', now()
        from generate_series(1, 20000)`,
    );
    await add('a', 3);
    await test.source.query('analyze outbox');
    const plan = await test.source.query<Record<string, string>[]>(
      `explain select id from outbox where job = 'a' and state = 'due' and greatest(run_at, lease_until) <= now()
       order by greatest(run_at, lease_until) limit 10`,
    );
    expect(JSON.stringify(plan)).toContain('outbox_due');
  });
});
