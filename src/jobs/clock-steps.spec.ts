import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { ClockSteps } from './clock-steps.js';
import { setBackTimes } from './step-back.js';
import { Leases } from './lease.js';
import { OutboxRepository } from './outbox.repository.js';
import { PeriodicRepository } from './periodic.repository.js';

Logger.overrideLogger(false);

const tasks = new PeriodicRepository();
const outbox = new OutboxRepository();
let test: TestDatabase;
beforeEach(async () => {
  test = await createTestDatabase([]);
});
afterEach(() => test.drop());

const planned = { table: 'planned', column: 'at', key: 'name' };
const steps = (): ClockSteps => new ClockSteps(test.db, tasks, outbox, new Leases(test.db));
const due = (): Promise<boolean> => outbox.hasDue(test.db.single, ['a.job']);
const aMinuteLater = (): Promise<unknown> =>
  test.source.query(`update clock_step_back set next_at = next_at - interval '1 minute'`);
/** How many minutes each row of a table is ahead, by name. */
const minutesLeft = async (table = 'planned'): Promise<object> => {
  const left = await test.source.query<{ name: string; minutes: number }[]>(
    `select name, round(extract(epoch from at - now()) / 60)::int as minutes from ${table}`,
  );
  return Object.fromEntries(left.map(({ name, minutes }) => [name, minutes]));
};
const addJob = (runAt: string, leaseUntil: string | null): Promise<unknown> =>
  test.source.query(
    `insert into outbox (id, job, data, run_at, lease_until, leased_by)
     values ($1, 'a.job', '{}', now() + $2::interval, now() + $3::interval,
       case when $3::text is not null then 'x' end)`,
    [randomUUID(), runAt, leaseUntil],
  );

it('what was written before the clock was set back by three hours is due as if it had not been', async () => {
  await test.source.query(
    `insert into periodic_task (name, last_started_at, last_success_at)
     values ('a.task', now() + interval '3 hours', now() + interval '3 hours')`,
  );
  await test.source.query(`insert into clock_watch (seen_at) values (now() + interval '3 hours')`);
  await test.source.query(`insert into lease values ('a', 'dead', now() + interval '3 hours 20 seconds')`);
  await addJob('2 hours 59 minutes', null);
  await addJob('2 hours 59 minutes', '3 hours 20 seconds');
  await addJob('4 hours', null);
  const twoProcesses = await Promise.all([steps().follow(), steps().follow()]);
  expect(twoProcesses).toHaveLength(2);

  expect(await tasks.begin(test.db.single, 'a.task', 3_600, 'w')).toBeNull();
  expect(await tasks.begin(test.db.single, 'a.task', 0, 'w')).not.toBeNull();
  const [left] = await test.source.query<object[]>(
    `select
       (select until <= now() + interval '20 seconds' from lease) as lease,
       (select array_agg(minutes order by minutes) from (
         select (extract(epoch from greatest(run_at, lease_until) - now()) / 60)::int as minutes
         from outbox) o) as minutes`,
  );
  expect(left).toEqual({ lease: true, minutes: [-1, 0, 60] });
  expect(await due()).toBe(true);
});

it('a step forward by six days expires no lease, neither before nor after it is noticed', async () => {
  await test.source.query(`insert into clock_watch (seen_at) values (now() - interval '6 days')`);
  await test.source.query(`insert into lease values ('a', 'alive', now() - interval '6 days' + interval '20 seconds')`);
  await addJob('-7 days', '-5 days -23 hours -59 minutes -40 seconds');
  const isFree = async (): Promise<unknown> => ({
    job: await due(),
    lease: await new Leases(test.db).withLease('a', 30, async () => undefined),
  });
  expect(await isFree()).toEqual({ job: false, lease: false });
  await steps().follow();
  expect(await isFree()).toEqual({ job: false, lease: false });
  const lefts = `select extract(epoch from until - now())::int as left from lease
    union all select extract(epoch from lease_until - now())::int from outbox`;
  for (const { left } of await test.source.query<{ left: number }[]>(lefts)) {
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(20);
  }
  // The holders have died: their leases end as they would have.
  await test.source.query(`update lease set until = now() - interval '1 second'`);
  await test.source.query(`update outbox set lease_until = now() - interval '1 second'`);
  expect(await isFree()).toEqual({ job: true, lease: true });
});

it('a lease that was taken after the step, and before it is noticed, does not move', async () => {
  for (const [seen, name] of [
    ['-6 days', 'forward'],
    ['3 hours', 'back'],
  ]) {
    await test.source.query('delete from clock_watch');
    await test.source.query(`insert into clock_watch (seen_at) values (now() + $1::interval)`, [seen]);
    await test.source.query(`insert into lease values ($1, 'new', now() + interval '30 seconds')`, [name]);
    await steps().follow();
  }
  const leases = await test.source.query<{ left: number }[]>(
    'select extract(epoch from until - now())::int as left from lease',
  );
  expect(leases.map(({ left }) => left > 0 && left <= 30)).toEqual([true, true]);
});

it('nothing changes while the clock goes on', async () => {
  await steps().follow();
  await test.source.query(`insert into periodic_task (name, last_started_at) values ('a.task', now())`);
  await test.source.query(`insert into lease values ('a', 'alive', now() + interval '20 seconds')`);
  await addJob('3 hours', null);
  const all = `select (select until::text from lease) as until, (select run_at::text from outbox) as run_at`;
  const before = await test.source.query<object[]>(all);
  await steps().follow();
  expect(await test.source.query<object[]>(all)).toEqual(before);
});

it('waits for a next attempt are set back with the clock once, and neither dates nor what is due is', async () => {
  await test.source.query('create table planned (name text primary key, at timestamptz, is_date boolean)');
  await test.source.query(
    `insert into planned select name, now() + ahead, name = 'date' from (values
       ('due', interval '-1 second'), ('due by the old time', '2 hours 59 minutes'), ('retry', '3 hours 1 minute'),
       ('longest retry', '10 hours 12 minutes'), ('date', '4 hours'), ('far ahead', '2 days')) as p(name, ahead)`,
  );
  await test.source.query(`insert into clock_watch (seen_at) values (now() + interval '3 hours')`);
  const followers = [steps(), steps()];
  for (const one of followers)
    one.onSetBack(async (tx, step) => void (await tx.query(setBackTimes({ ...planned, only: 'not is_date' }), step)));
  await Promise.all(followers.map((one) => one.follow()));
  expect(await minutesLeft()).toEqual({
    due: 0,
    'due by the old time': -1,
    retry: 1,
    'longest retry': 432,
    date: 240,
    'far ahead': 2_880,
  });
});

it('what is stored by the old time after the step follows it later, and what is planned since does not', async () => {
  await test.source.query('create table planned (name text primary key, at timestamptz)');
  await test.source.query(`insert into clock_watch (seen_at) values (now() + interval '3 hours')`);
  const one = steps();
  one.onSetBack(async (tx, step) => void (await tx.query(setBackTimes(planned), step)));
  await one.follow();
  await test.source.query(
    `insert into planned values ('late', now() + interval '3 hours 1 minute'), ('new', now() + interval '2 hours')`,
  );
  await one.follow();
  expect(await minutesLeft()).toEqual({ late: 181, new: 120 });
  await aMinuteLater();
  // Another process: the one that followed the step may be dead.
  const another = steps();
  another.onSetBack(async (tx, step) => void (await tx.query(setBackTimes(planned), step)));
  await Promise.all([one.follow(), another.follow()]);
  expect(await minutesLeft()).toEqual({ late: 1, new: 120 });
  await test.source.query(`insert into planned values ('later', now() + interval '3 hours 1 minute')`);
  await aMinuteLater();
  await Promise.all([one.follow(), another.follow()]);
  expect(await minutesLeft()).toEqual({ late: 1, later: 1, new: 120 });
});

it('a step that one process does not follow to its end is followed by another one, each table once', async () => {
  await test.source.query('create table planned (name text primary key, at timestamptz)');
  await test.source.query('create table others (name text primary key, at timestamptz)');
  for (const table of ['planned', 'others'])
    await test.source.query(`insert into ${table} values ('long overdue', now() + interval '1 hour'),
      ('retry', now() + interval '3 hours 1 minute')`);
  await test.source.query(`insert into clock_watch (seen_at) values (now() + interval '3 hours')`);
  const follower = (dies: boolean): ClockSteps => {
    const one = steps();
    one.onSetBack(async (tx, step) => void (await tx.query(setBackTimes(planned), step)));
    one.onSetBack(async (tx, step) => {
      await tx.query(setBackTimes({ ...planned, table: 'others' }), step);
      if (dies) throw new Error('the database goes away');
    });
    return one;
  };
  const dying = follower(true);
  await expect(dying.follow()).rejects.toThrow('goes away');
  await aMinuteLater();
  await expect(dying.follow()).rejects.toThrow('goes away');
  await Promise.all([follower(false).follow(), follower(false).follow()]);
  const followed = { 'long overdue': -120, retry: 1 };
  expect([await minutesLeft(), await minutesLeft('others')]).toEqual([followed, followed]);
  for (let pass = 1; pass <= 2; pass += 1) {
    await aMinuteLater();
    await follower(false).follow();
  }
  expect([await minutesLeft(), await minutesLeft('others')]).toEqual([followed, followed]);
  expect(await test.source.query('select from clock_step_back')).toEqual([]);
});

it('a lease that is stored by the old time after the step follows it later', async () => {
  await test.source.query(`insert into clock_watch (seen_at) values (now() + interval '3 hours')`);
  await steps().follow();
  await test.source.query(`insert into lease values ('a', 'dead', now() + interval '3 hours 20 seconds')`);
  await addJob('-1 minute', '3 hours 20 seconds');
  await aMinuteLater();
  await steps().follow();
  const lefts = await test.source.query<{ left: number }[]>(
    `select extract(epoch from until - now())::int as left from lease
     union all select extract(epoch from lease_until - now())::int from outbox`,
  );
  expect(lefts.map(({ left }) => left > 0 && left <= 20)).toEqual([true, true]);
});

it('stores the time from which it computed a step, so that one that comes while leases move is seen', async () => {
  await test.source.query(`insert into clock_watch (seen_at) values (now() - interval '6 days')`);
  await test.source.query(`insert into lease values ('a', 'alive', now() - interval '6 days' + interval '20 seconds')`);
  await test.source.query('create table moved (at timestamptz)');
  await test.source.query(
    `create function note_move() returns trigger language plpgsql
       as $$ begin insert into moved values (clock_timestamp()); return new; end $$`,
  );
  await test.source.query('create trigger note_move after update on lease for each row execute function note_move()');
  await steps().follow();
  const seen = await test.source.query('select seen_at < at as "isBefore" from clock_watch, moved');
  expect(seen).toEqual([{ isBefore: true }]);
});

it('another step back does not hold up what is late after the first', async () => {
  await test.source.query('create table planned (name text primary key, at timestamptz)');
  await test.source.query(`insert into clock_watch (seen_at) values (now() + interval '3 hours')`);
  const one = steps();
  one.onSetBack(async (tx, step) => void (await tx.query(setBackTimes(planned), step)));
  await one.follow();
  // The clock is set back by five hours more.
  await test.source.query(`update clock_watch set seen_at = seen_at + interval '5 hours'`);
  await test.source.query(`update clock_step_back set next_at = next_at + interval '5 hours'`);
  await one.follow();
  for (let pass = 1; pass <= 2; pass += 1) {
    await aMinuteLater();
    await one.follow();
  }
  expect(await test.source.query('select from clock_step_back')).toEqual([]);
});

it('a time that is equal to another one follows with it, and else stays', async () => {
  await test.source.query('create table planned (name text primary key, at timestamptz, other timestamptz)');
  await test.source.query(
    `insert into planned select name, now() + interval '4 hours', now() + other from (values
       ('equal', interval '4 hours'), ('earlier', '1 hour'), ('none', null)) as p(name, other)`,
  );
  await test.source.query(setBackTimes({ ...planned, alike: 'other' }), [3 * 3_600, 0]);
  const left = await test.source.query<{ name: string; at: number; other: number | null }[]>(
    `select name, round(extract(epoch from at - now()) / 3600)::int as at,
       round(extract(epoch from other - now()) / 3600)::int as other from planned order by name`,
  );
  expect(left).toEqual([
    { name: 'earlier', at: 1, other: 1 },
    { name: 'equal', at: 1, other: 1 },
    { name: 'none', at: 1, other: null },
  ]);
});
