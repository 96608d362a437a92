import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { Conditions } from '../platform/db/conditions.js';
import { exactly } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import type { OutboxEntry, OutboxState } from './outbox.entity.js';
import { type LaneLimit, laneLimits } from './lane.js';
import { leaseTime, movedLease } from './lease-time.js';
import type { JobRef } from './queue.js';

/**
 * A run that holds its outbox row until its lease expires. `runId` is the fencing token: its outcome is not stored once
 * another run holds the row.
 */
export interface ClaimedRun {
  readonly ref: JobRef;
  readonly runId: string;
}

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

const seconds = (parameter: string): string => `${parameter}::float8 * interval '1 second'`;
/** The index has the first two. */
const due = `state = 'due' and greatest(run_at, lease_until) <= now()
  and (lease_until is null or lease_until <= ${leaseTime})`;
const free = `lease_until = null, leased_by = null`;
/** For a row that is to run again: it waits, unless another row of the same job and identity already waits. */
const waitAgain = `waiting = not exists (
  select from outbox other
  where other.job = outbox.job and other.identity = outbox.identity and other.state = 'due' and other.waiting
    and other.id <> outbox.id)`;

/** Of the rows of one job and identity one runs at a time; a row whose run started before goes first. */
const runsAlone = `not exists (
  select from outbox other
  where other.job = outbox.job and other.identity = outbox.identity and other.state = 'due' and other.id <> outbox.id
    and (other.lease_until > ${leaseTime} or (outbox.waiting and not other.waiting and other.run_at <= now())))`;

/** The ids of the due rows that the capacity of the queue and the limits of the lanes admit, the oldest first. */
const pickDue = `
  with recursive capacity(job, capacity) as (select * from unnest($1::text[], $2::int[])),
  -- The limits of a kind of lane, or of one lane, which override those of its kind.
  limits(lane, at_once, per_minute) as (select * from unnest($4::text[], $5::int[], $6::int[])),
  -- The lanes in which a job has due rows: a loose index scan, one probe for each lane.
  lane(job, capacity, lane) as (
    select job, capacity, (select min(lane) from outbox where job = capacity.job and state = 'due') from capacity
    union all
    select job, capacity, (
      select min(o.lane) from outbox o where o.job = lane.job and o.state = 'due' and o.lane > lane.lane)
    from lane where lane is not null),
  leased(lane, count) as (
    select lane, count(*) from outbox
    where state = 'due' and leased_by is not null and lease_until > ${leaseTime} and lane <> '' group by lane),
  -- What each lane may still start now; null when it has no limits. Starts are counted in lanes with a limit a minute.
  free(job, lane, capacity, counted, free) as (
    select lane.job, lane.lane, lane.capacity, bound.per_minute is not null, least(
        bound.at_once - coalesce(leased.count, 0),
        bound.per_minute - coalesce(case when minute = date_trunc('minute', now()) then begun end, 0))
    from lane
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

/** Every query on `outbox` and `job_run`. All times are by the clock of the database. */
@Injectable()
export class OutboxRepository {
  /** Whether a row of one of these jobs is due. Takes no lock and ignores the limits of lanes. */
  async hasDue(tx: Tx, jobs: readonly string[]): Promise<boolean> {
    const [found] = await tx.query<{ due: boolean }[]>(
      `select exists (select from unnest($1::text[]) as name
         cross join lateral (select from outbox where job = name and ${due} limit 1) o) as due`,
      [jobs],
    );
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
    return tx.query<JobRef[]>(
      `${pickDue},
       taken as (
         update outbox set lease_until = now() + ${seconds('$3')}, leased_by = 'queue'
         where id in (select id from picked) returning id, job, lane, attempts, run_at),
       counted as (
         insert into job_lane (lane, minute, begun)
         select lane, date_trunc('minute', now()), count(*) from taken
         where lane in (select lane from free where counted) group by lane
         on conflict (lane) do update set minute = excluded.minute,
           begun = excluded.begun + case when job_lane.minute = excluded.minute then job_lane.begun else 0 end)
       select id, job, lane, attempts + 1 as attempt from taken order by run_at`,
      [
        [...capacity.keys()],
        [...capacity.values()],
        leaseS,
        limits.map(({ lane }) => lane),
        limits.map(({ atOnce }) => atOnce),
        limits.map(({ perMinute }) => perMinute ?? null),
      ],
    );
  }

  /** Ends the lease of rows that the queue did not take or this process will not run. They are due at once. */
  async release(tx: Tx, refs: readonly JobRef[]): Promise<void> {
    await tx.query(`update outbox set ${free} where id = any($1) and leased_by = 'queue'`, [refs.map((ref) => ref.id)]);
  }

  /** Starts a run and returns the job's data; undefined when the ref is stale or another run holds the row. */
  async claim(tx: Tx, run: ClaimedRun, worker: string, leaseS: number): Promise<{ data: unknown } | undefined> {
    const [claimed] = await tx.query<{ data: unknown }[]>(
      `with claimed as (
         update outbox set attempts = attempts + 1, lease_until = now() + ${seconds('$4')}, leased_by = $3::text,
           waiting = false
         where id = $1 and attempts = $2 - 1 and state = 'due'
           and (lease_until is null or lease_until <= ${leaseTime} or leased_by = 'queue')
         returning id, job, data, attempts),
       lost as (
         update job_run set outcome = 'lost', finished_at = now(), error = 'The worker died or lost its lease.'
         where outbox_id in (select id from claimed) and outcome is null),
       begun as (
         insert into job_run (id, job, outbox_id, attempt, worker) select $3::uuid, job, id, attempts, $5 from claimed)
       select data from claimed`,
      [run.ref.id, run.ref.attempt, run.runId, leaseS, worker],
    );
    return claimed;
  }

  /** Extends the leases of these runs. Returns the ids of the runs that still hold their rows. */
  async extend(tx: Tx, runs: readonly ClaimedRun[], leaseS: number): Promise<Set<string>> {
    const held = await tx.query<{ runId: string }[]>(
      `with held as (
         update outbox set lease_until = now() + ${seconds('$3')}
         from unnest($1::uuid[], $2::text[]) as run(outbox_id, id)
         where outbox.id = run.outbox_id and leased_by = run.id returning leased_by)
       select leased_by as "runId" from held`,
      [runs.map((run) => run.ref.id), runs.map((run) => run.runId), leaseS],
    );
    return new Set(held.map((row) => row.runId));
  }

  /**
   * Stores success and deletes the dead letters of the same job and identity. Like the next four methods it returns
   * false, and changes no outbox row, when the run has lost its lease.
   */
  async complete(tx: Tx, run: ClaimedRun): Promise<boolean> {
    return this.settle(tx, run, `state = 'done', finished_at = now(), last_error = null`, 'ok', null);
  }

  /** Stores a failure. The row is due again after `backoffS`, doubled with each attempt, with 20 % jitter. */
  async retry(tx: Tx, run: ClaimedRun, error: string, backoffS: number): Promise<boolean> {
    const wait = seconds(`(${Number(backoffS)} * power(2, attempts - 1) * (0.8 + 0.4 * random()))`);
    return this.settle(tx, run, `run_at = now() + ${wait}, last_error = $4, ${waitAgain}`, 'failed', error);
  }

  /** Ends a run that did nothing: it does not count as an attempt, and the row is due again after `afterS`. */
  async postpone(tx: Tx, run: ClaimedRun, reason: string, afterS: number): Promise<boolean> {
    const later = `attempts = attempts - 1, run_at = now() + ${seconds(String(Number(afterS)))}, ${waitAgain}`;
    return this.settle(tx, run, later, 'postponed', reason);
  }

  /** Stores the last failure: the row is a dead letter. */
  async markDead(tx: Tx, run: ClaimedRun, error: string): Promise<boolean> {
    return this.settle(tx, run, `state = 'dead', finished_at = now(), last_error = $4`, 'failed', error);
  }

  /**
   * Ends a run that shutdown interrupted: it does not count as an attempt. The next run starts after a second, when the
   * queue has forgotten this one.
   */
  async handBack(tx: Tx, run: ClaimedRun): Promise<boolean> {
    return this.settle(
      tx,
      run,
      `attempts = attempts - 1, run_at = now() + interval '1 second', ${waitAgain}`,
      'lost',
      'Handed back at shutdown.',
    );
  }

  /** Makes the row a dead letter without a run, so that a job that kills its workers is not run for ever. */
  async markUnclaimedDead(tx: Tx, ref: JobRef, error: string): Promise<void> {
    await tx.query(
      `with given_up as (
         update outbox set state = 'dead', waiting = false, finished_at = now(), last_error = $3, ${free}
         where id = $1 and attempts = $2 - 1 and state = 'due' and (leased_by is null or leased_by = 'queue')
         returning id)
       update job_run set outcome = 'lost', finished_at = now(), error = $3
       where outbox_id in (select id from given_up) and outcome is null`,
      [ref.id, ref.attempt, error],
    );
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
        where older.job = one.job and older.identity = one.identity and older.state = 'dead'
          and (older.created_at, older.id) < (one.created_at, one.id))
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

  /** Moves leases by these seconds, as the clock was; after a step back also what is planned. */
  async move(tx: Tx, bySeconds: number): Promise<void> {
    await tx.query(
      `update outbox set lease_until = ${movedLease('lease_until')},
         run_at = case when $1::float8 < 0 and run_at > now() then run_at + ${seconds('$1')} else run_at end
       where state = 'due' and (lease_until is not null or ($1::float8 < 0 and run_at > now()))`,
      [bySeconds],
    );
  }

  private async settle(
    tx: Tx,
    run: ClaimedRun,
    change: string,
    outcome: 'ok' | 'failed' | 'lost' | 'postponed',
    error: string | null,
  ): Promise<boolean> {
    const [settled] = await tx.query<{ held: boolean }[]>(
      `with moved as (
         update outbox set ${change}, ${free} where id = $1 and leased_by = $2::text returning id, job, identity),
       obsolete as (
         delete from outbox
         where $3 = 'ok' and state = 'dead' and (job, identity) in (select job, identity from moved)),
       closed as (
         update job_run set finished_at = now(), error = $4::text,
           outcome = case when exists (select from moved) then $3 else 'lost' end
         where id = $2::uuid and outcome is null)
       select exists (select from moved) as held`,
      [run.ref.id, run.runId, outcome, error],
    );
    return settled?.held === true;
  }
}
