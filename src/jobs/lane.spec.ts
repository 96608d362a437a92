import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { JobRun } from './job-run.entity.js';
import { defineLane, type LaneLimit, laneLimits } from './lane.js';
import { addToOutbox } from './outbox.js';
import { OutboxEntry } from './outbox.entity.js';
import { OutboxRepository } from './outbox.repository.js';
import type { JobRef } from './queue.js';

const outbox = new OutboxRepository();
const narrow = defineLane('narrow', { atOnce: 2 });
const metered = defineLane('metered', { atOnce: 100, perMinute: 3 });
let test: TestDatabase;

beforeEach(async () => {
  test = await createTestDatabase([OutboxEntry, JobRun]);
});
afterEach(() => test.drop());

/** `lane` is empty for jobs that are in none. */
const add = (job: string, lane: string, count: number): Promise<void> =>
  addToOutbox(
    test.db.single,
    job,
    Array.from({ length: count }, (_, n) => ({ data: { lane, n }, lane })),
  );
/** Takes due rows in a transaction of its own, as the relay does. */
const takeAll = (capacity: ReadonlyMap<string, number>, settings: LaneLimit[] = []): Promise<JobRef[]> =>
  test.db.write((tx) => outbox.takeDue(tx, capacity, 30, laneLimits(settings)));
const take = (capacity = 100, settings: LaneLimit[] = []): Promise<JobRef[]> =>
  takeAll(new Map([['a', capacity]]), settings);
/** Waits for the next minute, by the clock of the database, when this one is almost over. */
const untilMinuteIsLong = (): Promise<unknown> =>
  test.source.query(`select pg_sleep(case when extract(second from now()) > 45
    then 60 - extract(second from now()) else 0 end)`);
const lanesOf = (refs: JobRef[]): string[] => refs.map((ref) => ref.lane).sort();

describe('a lane of jobs', () => {
  it('runs at once as many jobs as its limit permits, over all processes and all names of jobs', async () => {
    await add('a', narrow.of(1), 3);
    await add('b', narrow.of(1), 3);
    const capacity = new Map([
      ['a', 9],
      ['b', 9],
    ]);
    const [first = [], second = []] = await Promise.all([takeAll(capacity), takeAll(capacity)]);
    expect([...first, ...second]).toHaveLength(2);
    const [ref] = [...first, ...second];
    await outbox.release(test.db.single, ref ? [ref] : []);
    expect(await takeAll(capacity)).toHaveLength(1);
  });

  it('does not delay other lanes, or jobs in no lane, when it is full', async () => {
    await add('a', narrow.of('full'), 500);
    await add('a', narrow.of('other'), 1);
    await add('a', '', 1);
    expect(lanesOf(await take(10))).toEqual(['', 'narrow:full', 'narrow:full', 'narrow:other']);
    expect(await take(10)).toEqual([]);
  });

  it('starts as many runs in one minute as its limit permits', async () => {
    await untilMinuteIsLong();
    await add('a', metered.of(1), 5);
    await add('a', metered.of(2), 1);
    expect(lanesOf(await take())).toEqual(['metered:1', 'metered:1', 'metered:1', 'metered:2']);
    expect(await take()).toEqual([]);
    await test.source.query(`update job_lane set minute = minute - interval '1 minute'`);
    expect(lanesOf(await take())).toEqual(['metered:1', 'metered:1']);
  });

  it('has the limits of a setting, where those of one lane override those of its kind', async () => {
    await add('a', narrow.of(1), 5);
    await add('a', narrow.of(2), 5);
    const limits = [
      { lane: 'narrow', atOnce: 1 },
      { lane: 'narrow:2', atOnce: 9, perMinute: 3 },
    ];
    expect(lanesOf(await take(99, limits))).toEqual(['narrow:1', 'narrow:2', 'narrow:2', 'narrow:2']);
    expect(lanesOf(await take(99, [{ lane: 'narrow:1', atOnce: 3 }]))).toEqual(['narrow:1', 'narrow:1']);
    expect(() => laneLimits([{ lane: 'nowhere:1', atOnce: 1 }])).toThrow('there is no lane nowhere:1');
  });

  it('is declared once', () => {
    expect(() => defineLane('narrow', { atOnce: 1 })).toThrow('defined twice');
  });
});
