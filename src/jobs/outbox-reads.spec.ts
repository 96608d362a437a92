import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import type { Tx } from '../platform/db/database.js';
import { JobRun } from './job-run.entity.js';
import { addToOutbox } from './outbox.js';
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

/** How many rows of the outbox this transaction has read. */
const rowsRead = async (tx: Tx): Promise<number> => {
  const [{ count }] = await tx.query<[{ count: number }]>(
    `select (seq_tup_read + idx_tup_fetch)::int as count from pg_stat_xact_user_tables where relname = 'outbox'`,
  );
  return count;
};

/** More often than a statement is planned for the values of one call. */
const rounds = 8;

describe('a statement on the outbox', () => {
  it('reads few rows to run a job, however many of it are due, dead or done', async () => {
    const ofEachState = 2000;
    await test.source.query(
      `insert into outbox (id, job, data, identity, state, finished_at)
       select gen_random_uuid(), 'a', '{}', concat(state, n), state, case when state <> 'due' then now() end
       from generate_series(1, $1::int) n cross join unnest(array['due', 'dead', 'done']) state`,
      [ofEachState],
    );
    const read = await test.db.write(async (tx) => {
      for (let round = 0; round < rounds; round += 1) {
        const refs = await outbox.takeDue(tx, new Map([['a', 4]]), 30);
        const begun = refs.map((ref) => ({ ref, runId: crypto.randomUUID() }));
        await runs.claim(tx, begun, 'here:1', 30);
        const [failed, dead, ...good] = begun as [ClaimedRun, ClaimedRun, ...ClaimedRun[]];
        await runs.retry(tx, failed, 'no', 60);
        await runs.markDead(tx, dead, 'no');
        expect(await runs.complete(tx, good)).toEqual([true, true]);
      }
      return rowsRead(tx);
    });
    expect(read).toBeLessThan(ofEachState);
  });

  it('reads few rows to see that none is due, however many wait or run', async () => {
    await test.source.query(
      `insert into outbox (id, job, lane, data, identity, run_at, lease_until, leased_by)
       select gen_random_uuid(), 'a', 'host:' || n % 10, '{}', n, now() + make_interval(days => n % 2),
         case when n % 2 = 0 then now() + interval '1 hour' end, case when n % 2 = 0 then 'queue' end
       from generate_series(1, 4000) n`,
    );
    await test.source.query('analyze outbox');
    const read = await test.db.write(async (tx) => {
      for (let round = 0; round < rounds; round += 1) expect(await outbox.hasDue(tx, ['a', 'b'])).toBe(false);
      return rowsRead(tx);
    });
    expect(read).toBeLessThan(4000);
    await addToOutbox(test.db.single, 'b', [{ data: { n: 1 } }]);
    expect(await outbox.hasDue(test.db.single, ['a', 'b'])).toBe(true);
    expect(await outbox.hasDue(test.db.single, ['a'])).toBe(false);
  });

  it('finds due rows by an index, however many rows are done', async () => {
    await test.source.query(
      `insert into outbox (id, job, data, state, finished_at) select gen_random_uuid(), 'a', '{}', 'done', now()
        from generate_series(1, 20000)`,
    );
    await addToOutbox(test.db.single, 'a', [{ data: { n: 1 } }]);
    await test.source.query('analyze outbox');
    const plan = await test.source.query<Record<string, string>[]>(
      `explain select id from outbox where job = 'a' and lane = '' and state = 'due'
         and greatest(run_at, lease_until) <= now()
       order by greatest(run_at, lease_until) limit 10`,
    );
    expect(JSON.stringify(plan)).toContain('outbox_due');
  });
});
