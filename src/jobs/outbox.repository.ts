import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { Conditions } from '../platform/db/conditions.js';
import { exactly } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import type { OutboxEntry, OutboxState } from './outbox.entity.js';
import { type LaneLimit, laneLimits } from './lane.js';
import type { JobRef } from './queue.js';

/**
 * A claimed run: holds its row until the lease lapses. `runId` is the fence: nothing is recorded once another run holds
 * the row.
 */
export interface ClaimedRun {
  readonly ref: JobRef;
  readonly runId: string;
}

/** What a page of the outbox is narrowed by. */
export interface OutboxQuery extends PageQuery {
  state?: OutboxState;
  job?: string;
}

/**
 * Rows of one job in one state. `overdueS`: how long the oldest due row has been waiting or running, 0 for dead ones.
 */
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
const due = `state = 'due' and greatest(run_at, lease_until) <= now()`;
const free = `lease_until = null, leased_by = null`;
/** For a row that is to run again: it waits, unless the same job has been added meanwhile and waits already. */
const waitAgain = `waiting = not exists (
  select from outbox twin
  where twin.job = outbox.job and twin.identity = outbox.identity and twin.state = 'due' and twin.waiting
    and twin.id <> outbox.id)`;

/** Of the rows of one job and identity one runs at a time, the one that has begun earlier first. */
const alone = `not exists (
  select from outbox twin
  where twin.job = outbox.job and twin.identity = outbox.identity and twin.state = 'due' and twin.id <> outbox.id
    and (twin.lease_until > now() or (outbox.waiting and not twin.waiting and twin.run_at <= now())))`;

/** How much of each kind of lane is free, and what is due in it. */
const pickDue = `
  with recursive room(job, room) as (select * from unnest($1::text[], $2::int[])),
  -- Of a kind of lane, or of one lane, which goes before its kind.
  limits(lane, at_once, per_minute) as (select * from unnest($4::text[], $5::int[], $6::int[])),
  -- Each lane of a job in which something waits, one index probe for each.
  lane(job, room, lane) as (
    select job, room, (select min(lane) from outbox where job = room.job and state = 'due') from room
    union all
    select job, room, (
      select min(o.lane) from outbox o where o.job = lane.job and o.state = 'due' and o.lane > lane.lane)
    from lane where lane is not null),
  leased(lane, count) as (
    select lane, count(*) from outbox
    where state = 'due' and leased_by is not null and lease_until > now() and lane <> '' group by lane),
  free(job, lane, room, counted, free) as (
    select lane.job, lane.lane, lane.room, bound.per_minute is not null, least(
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
      where job = free.job and lane = free.lane and ${due} and ${alone}
      order by greatest(run_at, lease_until) limit greatest(0, least(free.room, free.free))
      for update skip locked) found),
  -- Jobs of several names may share a lane.
  in_lane as (select *, row_number() over (partition by lane order by due) as place from candidate),
  in_job as (
    select *, row_number() over (partition by job order by due) as turn from in_lane
    where free is null or place <= free),
  picked as (select id from in_job where turn <= room)`;

/** Every query on `outbox` and `job_run`. All times are the database's. */
@Injectable()
export class OutboxRepository {
  /** Whether a row of one of these jobs is due. Needs no lock, and tells nothing of lanes that are full. */
  async hasDue(tx: Tx, jobs: readonly string[]): Promise<boolean> {
    const [found] = await tx.query<{ due: boolean }[]>(
      `select exists (select from unnest($1::text[]) as name
         cross join lateral (select from outbox where job = name and ${due} limit 1) o) as due`,
      [jobs],
    );
    return found?.due === true;
  }

  /**
   * Leases due rows to the queue, oldest first, for each job at most as many as `room` says, and for each lane what its
   * limits leave. Only one process does it at a time, since each must see what the others have taken.
   */
  async takeDue(
    tx: Tx,
    room: ReadonlyMap<string, number>,
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
        [...room.keys()],
        [...room.values()],
        leaseS,
        limits.map(({ lane }) => lane),
        limits.map(({ atOnce }) => atOnce),
        limits.map(({ perMinute }) => perMinute ?? null),
      ],
    );
  }

  /** Gives back rows that the queue did not take or this process will not run; they are due at once. */
  async release(tx: Tx, refs: readonly JobRef[]): Promise<void> {
    await tx.query(`update outbox set ${free} where id = any($1) and leased_by = 'queue'`, [refs.map((ref) => ref.id)]);
  }

  /** Begins a run and returns the job's data, or undefined when the row has moved on or another run holds it. */
  async claim(tx: Tx, run: ClaimedRun, worker: string, leaseS: number): Promise<{ data: unknown } | undefined> {
    const [claimed] = await tx.query<{ data: unknown }[]>(
      `with claimed as (
         update outbox set attempts = attempts + 1, lease_until = now() + ${seconds('$4')}, leased_by = $3::text,
           waiting = false
         where id = $1 and attempts = $2 - 1 and state = 'due'
           and (lease_until is null or lease_until <= now() or leased_by = 'queue')
         returning id, job, data, attempts),
       cut_off as (
         update job_run set outcome = 'lost', finished_at = now(), error = 'The worker died or lost its lease.'
         where outbox_id in (select id from claimed) and outcome is null),
       begun as (
         insert into job_run (id, job, outbox_id, attempt, worker) select $3::uuid, job, id, attempts, $5 from claimed)
       select data from claimed`,
      [run.ref.id, run.ref.attempt, run.runId, leaseS, worker],
    );
    return claimed;
  }

  /** Extends the leases of these runs; returns the ids of the runs that still hold their rows. */
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
   * Records success, and forgets dead letters of the same job; like those below it returns false, and changes no outbox
   * row, when the run had lost it.
   */
  async complete(tx: Tx, run: ClaimedRun): Promise<boolean> {
    return this.settle(tx, run, `state = 'done', finished_at = now(), last_error = null`, 'ok', null);
  }

  /** Records a failure; due again after `backoffS`, doubled with every attempt so far, give or take a fifth. */
  async retry(tx: Tx, run: ClaimedRun, error: string, backoffS: number): Promise<boolean> {
    const wait = seconds(`(${Number(backoffS)} * power(2, attempts - 1) * (0.8 + 0.4 * random()))`);
    return this.settle(tx, run, `run_at = now() + ${wait}, last_error = $4, ${waitAgain}`, 'failed', error);
  }

  /** Ends a run that could not begin its work: it does not count, and the next is due after `afterS`. */
  async postpone(tx: Tx, run: ClaimedRun, reason: string, afterS: number): Promise<boolean> {
    const later = `attempts = attempts - 1, run_at = now() + ${seconds(String(Number(afterS)))}, ${waitAgain}`;
    return this.settle(tx, run, later, 'postponed', reason);
  }

  /** Records the last failure: the row is a dead letter. */
  async bury(tx: Tx, run: ClaimedRun, error: string): Promise<boolean> {
    return this.settle(tx, run, `state = 'dead', finished_at = now(), last_error = $4`, 'failed', error);
  }

  /**
   * Ends a run that shutdown cut off: it does not count, and another may begin in a second, when the queue has
   * forgotten this one.
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

  /**
   * Makes a dead letter of a row whose last permitted run never reported back; a job that kills its worker is not run
   * for ever.
   */
  async buryUnclaimed(tx: Tx, ref: JobRef, error: string): Promise<void> {
    await tx.query(
      `with buried as (
         update outbox set state = 'dead', waiting = false, finished_at = now(), last_error = $3, ${free}
         where id = $1 and attempts = $2 - 1 and state = 'due' and (leased_by is null or leased_by = 'queue')
         returning id)
       update job_run set outcome = 'lost', finished_at = now(), error = $3
       where outbox_id in (select id from buried) and outcome is null`,
      [ref.id, ref.attempt, error],
    );
  }

  /** Newest first unless sorted otherwise. */
  list(tx: Tx, query: OutboxQuery): Promise<Page<OutboxEntry>> {
    const where = new Conditions();
    if (query.state !== undefined) where.add('state = ?', query.state);
    if (query.job !== undefined) where.add('job = ?', query.job);
    return listPage(tx, source, query, where);
  }

  /** Gives a dead letter all its attempts again, from now. False when there is no such dead letter. */
  async replay(tx: Tx, id: string): Promise<boolean> {
    const replayed = await tx.query<unknown[]>(
      `with replayed as (
         update outbox set state = 'due', attempts = 0, run_at = now(), finished_at = null, ${waitAgain}
           where id = $1 and state = 'dead' returning id)
       select id from replayed`,
      [id],
    );
    return replayed.length === 1;
  }

  /** What is not done, by job and state. Costs what is due or dead, not what exists. */
  async counts(tx: Tx): Promise<OutboxCount[]> {
    return tx.query<OutboxCount[]>(
      `select job, state, count(*)::int as count,
         case state when 'due' then greatest(extract(epoch from now() - min(run_at)),
         0)::float8 else 0 end as "overdueS"
       from outbox where state = 'due' or state = 'dead' group by job, state order by job, state`,
    );
  }

  /**
   * Deletes up to `limit` each of the jobs done, the dead letters and the runs that are older than these ages in
   * seconds; returns how many are gone.
   */
  async prune(tx: Tx, ages: { doneS: number; deadS: number; runsS: number }, limit: number): Promise<number> {
    const [pruned] = await tx.query<{ count: number }[]>(
      `with old_jobs as (
         delete from outbox where id in (
           select id from outbox where state = 'done' and finished_at < now() - ${seconds('$1')} limit $4) returning 1),
       old_letters as (
         delete from outbox where id in (
           select id from outbox where state = 'dead' and finished_at < now() - ${seconds('$2')} limit $4) returning 1),
       old_runs as (
         delete from job_run where id in (
           select id from job_run where started_at < now() - ${seconds('$3')} limit $4) returning 1)
       select (select count(*) from old_jobs)::int + (select count(*) from old_letters)::int
         + (select count(*) from old_runs)::int as count`,
      [ages.doneS, ages.deadS, ages.runsS, limit],
    );
    return pruned?.count ?? 0;
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
