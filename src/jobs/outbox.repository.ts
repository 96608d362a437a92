import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { Conditions } from '../platform/db/conditions.js';
import { exactly } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import { prepared } from '../platform/db/statement.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import type { OutboxEntry, OutboxState } from './outbox.entity.js';
import { type LaneLimit, laneLimits } from './lane.js';
import { leaseTime, movedLease } from './lease-time.js';
import type { JobRef } from './queue.js';
import { setBackTimes, type StepBack } from './step-back.js';

/** The page of the outbox to list, and its filters. */
export interface OutboxQuery extends PageQuery {
  state?: OutboxState;
  job?: string;
}

/** The number of rows of one job in one state. `overdueS`: how long the oldest due row has been due; 0 when dead. */
export interface OutboxCount {
  job: string;
  state: 'due' | 'dead';
  count: number;
  overdueS: number;
}

const source: ListSource = {
  columns:
    'id, job, data, lane, run_at as "runAt", attempts, state, last_error as "lastError", ' +
    'created_at as "createdAt", finished_at as "finishedAt"',
  from: 'outbox',
  sorts: { id: { sql: 'id', type: 'uuid' }, createdAt: { sql: 'created_at', type: 'timestamptz' } },
  filters: { job: exactly('job'), state: exactly('state') },
  order: { by: 'createdAt', dir: 'desc' },
};

/** SQL: this many seconds. */
export const seconds = (parameter: string): string => `${parameter}::float8 * interval '1 second'`;
/** The index has the first two. */
const due = `state = 'due' and greatest(run_at, lease_until) <= now()
  and (lease_until is null or lease_until <= ${leaseTime})`;
/** SQL: ends the lease of a row. */
export const free = `lease_until = null, leased_by = null`;
/**
 * SQL: `other` is another row of the same job and identity as `one`, and is not done. Written so that only the index of
 * the identities fits: the planner does not know how many rows of a job are due or dead at the moment, and would read
 * all of them for each row.
 */
const isSame = (other: string, one: string): string =>
  `${other}.identity = ${one}.identity and ${other}.job || '' = ${one}.job and ${other}.id <> ${one}.id
    and ${other}.state <> 'done'`;
const isSameDue = (other: string, one: string): string => `${isSame(other, one)} and ${other}.state <> 'dead'`;
/** SQL: for a row that is to run again: it waits, unless another row of the same job and identity already waits. */
export const waitAgain = `waiting = not exists (
  select from outbox other
  where ${isSameDue('other', 'outbox')} and other.waiting offset 0)`;

/** Of the rows of one job and identity one runs at a time; a row whose run started before goes first. */
const runsAlone = `not exists (
  select from outbox other
  where ${isSameDue('other', 'outbox')}
    and (other.lease_until > ${leaseTime} or (outbox.waiting and not other.waiting and other.run_at <= now()))
  offset 0)`;

/** The lanes in which these jobs have rows that are or will be due: a loose index scan, one probe for each lane. */
const lanes = `lane(job, lane) as (
    select asked.job, (select min(lane) from outbox where job = asked.job and state = 'due')
    from unnest($1::text[]) as asked(job)
    union all
    select job, (select min(o.lane) from outbox o where o.job = lane.job and o.state = 'due' and o.lane > lane.lane)
    from lane where lane is not null)`;

/** The ids of the due rows that the capacity of the queue and the limits of the lanes admit, the oldest first. */
const pickDue = `
  with recursive ${lanes},
  capacity(job, capacity) as (select * from unnest($1::text[], $2::int[])),
  -- The limits of a kind of lane, or of one lane, which override those of its kind.
  limits(lane, at_once, per_minute) as (select * from unnest($4::text[], $5::int[], $6::int[])),
  leased(lane, count) as (
    select lane, count(*) from outbox
    where state = 'due' and leased_by is not null and lease_until > ${leaseTime} and lane <> '' group by lane),
  -- What each lane may still start now; null when it has no limits. Starts are counted in lanes with a limit a minute.
  free(job, lane, capacity, counted, free) as (
    select lane.job, lane.lane, capacity.capacity, bound.per_minute is not null, least(
        bound.at_once - coalesce(leased.count, 0),
        bound.per_minute - coalesce(case when minute = date_trunc('minute', now()) then begun end, 0))
    from lane join capacity on capacity.job = lane.job
    left join lateral (
      select * from limits where limits.lane in (lane.lane, split_part(lane.lane, ':', 1))
      order by length(limits.lane) desc limit 1) bound on true
    left join leased on leased.lane = lane.lane
    left join job_lane on job_lane.lane = lane.lane
    where lane.lane is not null),
  candidate as (
    select free.*, found.id, found.due from free
    cross join lateral (
      select id, greatest(run_at, lease_until) as due from outbox
      where job = free.job and lane = free.lane and ${due} and ${runsAlone}
      order by greatest(run_at, lease_until) limit greatest(0, least(free.capacity, free.free))
      for update skip locked) found),
  -- Several jobs may share a lane.
  in_lane as (select *, row_number() over (partition by lane order by due) as lane_rank from candidate),
  in_job as (
    select *, row_number() over (partition by job order by due) as job_rank from in_lane
    where free is null or lane_rank <= free),
  picked as (select id from in_job where job_rank <= capacity)`;

const takeDue = prepared<JobRef>(
  'outbox_take',
  `${pickDue},
   taken as (
     update outbox set lease_until = now() + ${seconds('$3')}, leased_by = 'queue'
     where id = any(array(select id from picked)) returning id, job, lane, attempts, run_at),
   counted as (
     insert into job_lane (lane, minute, begun)
     select lane, date_trunc('minute', now()), count(*) from taken
     where lane in (select lane from free where counted) group by lane
     on conflict (lane) do update set minute = excluded.minute,
       begun = excluded.begun + case when job_lane.minute = excluded.minute then job_lane.begun else 0 end)
   select id, job, lane, attempts + 1 as attempt from taken order by run_at`,
);
/** Lane by lane, as the index has them: without the lane PostgreSQL reads every row of a job of which none is due. */
const hasDue = prepared<{ due: boolean }>(
  'outbox_has_due',
  `with recursive ${lanes}
   select exists (
     select from lane cross join lateral (
       select from outbox where job = lane.job and lane = lane.lane and ${due}
       order by greatest(run_at, lease_until) limit 1) o
     where lane.lane is not null) as due`,
);

/** Every query on `outbox` but those of runs: see RunRepository. All times are by the clock of the database. */
@Injectable()
export class OutboxRepository {
  /** Whether a row of one of these jobs is due. Takes no lock and ignores the limits of lanes. */
  async hasDue(tx: Tx, jobs: readonly string[]): Promise<boolean> {
    const [found] = await hasDue(tx, [jobs]);
    return found?.due === true;
  }

  /**
   * Leases due rows to the queue, oldest first, at most `capacity` of each job and within the limits of each lane. An
   * advisory lock admits one process at a time, since each must see which rows the others have taken.
   */
  async takeDue(
    tx: Tx,
    capacity: ReadonlyMap<string, number>,
    leaseS: number,
    limits: readonly LaneLimit[] = laneLimits(),
  ): Promise<JobRef[]> {
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('outbox', 0))`);
    return takeDue(tx, [
      [...capacity.keys()],
      [...capacity.values()],
      leaseS,
      limits.map(({ lane }) => lane),
      limits.map(({ atOnce }) => atOnce),
      limits.map(({ perMinute }) => perMinute ?? null),
    ]);
  }

  /** Ends the lease of rows that the queue did not take or this process will not run. They are due at once. */
  async release(tx: Tx, refs: readonly JobRef[]): Promise<void> {
    await tx.query(`update outbox set ${free} where id = any($1) and leased_by = 'queue'`, [refs.map((ref) => ref.id)]);
  }

  /** Newest first unless the query sorts otherwise. */
  list(tx: Tx, query: OutboxQuery): Promise<Page<OutboxEntry>> {
    const where = new Conditions();
    if (query.state !== undefined) where.add('state = ?', query.state);
    if (query.job !== undefined) where.add('job = ?', query.job);
    return listPage(tx, source, query, where);
  }

  /** Makes a dead letter due now, with all its attempts. False when there is no such dead letter. */
  async replay(tx: Tx, id: string): Promise<boolean> {
    return (await this.replayThose(tx, 'id = $1', [id])) === 1;
  }

  /**
   * Does so with the oldest dead letters of a job, or of all jobs; at most `limit`, and one of each identity, since its
   * success deletes the others. Returns their number.
   */
  async replayMany(tx: Tx, job: string | null, limit: number): Promise<number> {
    const oldest = `id in (
      select id from outbox one where state = 'dead' and job = coalesce($1, job) and not exists (
        select from outbox older
        where ${isSame('older', 'one')} and older.state <> 'due'
          and (older.created_at, older.id) < (one.created_at, one.id) offset 0)
      order by created_at, id limit $2 for update skip locked)`;
    return this.replayThose(tx, oldest, [job, limit]);
  }

  /** The rows that are due or dead, by job and state. Reads only these rows, through partial indexes. */
  async counts(tx: Tx): Promise<OutboxCount[]> {
    return tx.query<OutboxCount[]>(
      `select job, state, count(*)::int as count,
         case state when 'due' then greatest(extract(epoch from now() - min(run_at)),
         0)::float8 else 0 end as "overdueS"
       from outbox where state = 'due' or state = 'dead' group by job, state order by job, state`,
    );
  }

  /**
   * Deletes done jobs, dead letters and runs that are older than these ages, at most `limit` of each. Returns how many
   * rows were deleted.
   */
  async prune(tx: Tx, ages: { doneS: number; deadS: number; runsS: number }, limit: number): Promise<number> {
    const [pruned] = await tx.query<{ count: number }[]>(
      `with old_jobs as (
         delete from outbox where id in (
           select id from outbox where state = 'done' and finished_at < now() - ${seconds('$1')} limit $4) returning 1),
       old_dead as (
         delete from outbox where id in (
           select id from outbox where state = 'dead' and finished_at < now() - ${seconds('$2')} limit $4) returning 1),
       old_runs as (
         delete from job_run where id in (
           select id from job_run where started_at < now() - ${seconds('$3')} limit $4) returning 1)
       select (select count(*) from old_jobs)::int + (select count(*) from old_dead)::int
         + (select count(*) from old_runs)::int as count`,
      [ages.doneS, ages.deadS, ages.runsS, limit],
    );
    return pruned?.count ?? 0;
  }

  /** Of the dead letters of one job and identity, and the row that already waits for it, one waits again. */
  private async replayThose(tx: Tx, which: string, values: unknown[]): Promise<number> {
    const replayed = await tx.query<{ count: number }[]>(
      `with replayed as (
         update outbox set state = 'due', attempts = 0, run_at = now(), finished_at = null, ${waitAgain}
           where ${which} and state = 'dead' returning id)
       select count(*)::int as count from replayed`,
      values,
    );
    return replayed[0]?.count ?? 0;
  }

  /** Moves leases by these seconds, as the clock was. Those of locked rows are being set by the new time. */
  async move(tx: Tx, bySeconds: number): Promise<void> {
    await tx.query(
      `update outbox set lease_until = ${movedLease('lease_until')} where id = any(array(
         select id from outbox where state = 'due' and lease_until is not null for no key update skip locked))`,
      [bySeconds],
    );
  }

  /** Sets back when jobs run. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'outbox', column: 'run_at', only: `state = 'due'` }), step);
  }
}
