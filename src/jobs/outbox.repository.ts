import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { Conditions } from '../platform/db/conditions.js';
import { exactly } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import type { OutboxEntry, OutboxState } from './outbox.entity.js';
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
    'id, job, data, run_at as "runAt", attempts, state, last_error as "lastError", ' +
    'created_at as "createdAt", finished_at as "finishedAt"',
  from: 'outbox',
  sorts: { id: { sql: 'id', type: 'uuid' }, createdAt: { sql: 'created_at', type: 'timestamptz' } },
  filters: { job: exactly('job'), state: exactly('state') },
  order: { by: 'createdAt', dir: 'desc' },
};

const seconds = (parameter: string): string => `${parameter}::float8 * interval '1 second'`;
const due = `state = 'due' and greatest(run_at, lease_until) <= now()`;
const free = `lease_until = null, leased_by = null`;

/** Every query on `outbox` and `job_run`. All times are the database's. */
@Injectable()
export class OutboxRepository {
  /**
   * Leases due rows to the queue, oldest first, for each job at most as many as `room` says. Rows that others are
   * taking are passed over.
   */
  async takeDue(tx: Tx, room: ReadonlyMap<string, number>, leaseS: number): Promise<JobRef[]> {
    return tx.query<JobRef[]>(
      `with picked as (
         select o.id from unnest($1::text[], $2::int[]) as lane(job, room)
         cross join lateral (
           select id from outbox where job = lane.job and ${due}
           order by greatest(run_at, lease_until) limit lane.room for update skip locked) o),
       taken as (
         update outbox set lease_until = now() + ${seconds('$3')}, leased_by = 'queue'
         where id in (select id from picked) returning id, job, attempts, run_at)
       select id, job, attempts + 1 as attempt from taken order by run_at`,
      [[...room.keys()], [...room.values()], leaseS],
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
         update outbox set attempts = attempts + 1, lease_until = now() + ${seconds('$4')}, leased_by = $3::text
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

  /** Records success; like the three below it returns false, and changes no outbox row, when the run had lost it. */
  async complete(tx: Tx, run: ClaimedRun): Promise<boolean> {
    return this.settle(tx, run, `state = 'done', finished_at = now(), last_error = null`, 'ok', null);
  }

  /** Records a failure; due again after `backoffS`, doubled with every attempt so far, give or take a fifth. */
  async retry(tx: Tx, run: ClaimedRun, error: string, backoffS: number): Promise<boolean> {
    const wait = seconds(`(${Number(backoffS)} * power(2, attempts - 1) * (0.8 + 0.4 * random()))`);
    return this.settle(tx, run, `run_at = now() + ${wait}, last_error = $4`, 'failed', error);
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
      `attempts = attempts - 1, run_at = now() + interval '1 second'`,
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
         update outbox set state = 'dead', finished_at = now(), last_error = $3, ${free}
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
         update outbox set state = 'due', attempts = 0, run_at = now(), finished_at = null
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
   * Deletes up to `limit` rows of jobs done and of runs begun longer ago than these ages; returns how many are gone.
   */
  async prune(tx: Tx, doneAfterS: number, runsAfterS: number, limit: number): Promise<number> {
    const [pruned] = await tx.query<{ count: number }[]>(
      `with old_jobs as (
         delete from outbox where id in (
           select id from outbox where state = 'done' and finished_at < now() - ${seconds('$1')} limit $3) returning 1),
       old_runs as (
         delete from job_run where id in (
           select id from job_run where started_at < now() - ${seconds('$2')} limit $3) returning 1)
       select (select count(*) from old_jobs)::int + (select count(*) from old_runs)::int as count`,
      [doneAfterS, runsAfterS, limit],
    );
    return pruned?.count ?? 0;
  }

  private async settle(
    tx: Tx,
    run: ClaimedRun,
    change: string,
    outcome: 'ok' | 'failed' | 'lost',
    error: string | null,
  ): Promise<boolean> {
    const [settled] = await tx.query<{ held: boolean }[]>(
      `with moved as (update outbox set ${change}, ${free} where id = $1 and leased_by = $2::text returning id),
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
