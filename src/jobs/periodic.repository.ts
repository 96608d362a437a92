import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { Conditions } from '../platform/db/conditions.js';
import { exactly } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { isHeld } from './lease.js';
import type { TaskReport } from './task-report.js';
import type { TaskRun } from './task-run.entity.js';

/** The last runs of a periodic task, over all processes. `failures`: consecutive, 0 after a success. */
export interface PeriodicStatus {
  name: string;
  /** Null when it was paused or wanted before it ever ran. */
  lastStartedAt: Date | null;
  lastSuccessAt: Date | null;
  /** By the clock of the database; null before the first success. */
  sinceSuccessS: number | null;
  lastError: string | null;
  failures: number;
  running: boolean;
  pausedAt: Date | null;
  /** The name of the user who paused it. */
  pausedBy: string | null;
  /** Since when it is to run before its time. */
  wantedAt: Date | null;
}

/** A run that has begun. */
export interface BegunRun {
  readonly id: string;
  readonly task: string;
}

const runs: ListSource = {
  columns:
    // `order by id` would mean this text, in which 10 comes before 9.
    'task_run.id::text as id, task, worker, started_at as "startedAt", finished_at as "finishedAt", outcome, error, ' +
    'counts, failures',
  from: 'task_run',
  sorts: { id: { sql: 'task_run.id', type: 'bigint' } },
  filters: { outcome: exactly('outcome') },
  order: { by: 'id', dir: 'desc' },
};

/** How many runs of each task are kept, and for how long those that failed. */
const kept = { runs: 1_000, failedDays: 30 };

/** Every query on `periodic_task` and `task_run`. All times are by the clock of the database. */
@Injectable()
export class PeriodicRepository {
  /**
   * Starts a run; null, and nothing is stored, when the task is paused or last started less than `withinS` seconds
   * ago. A task that is wanted starts all the same, and so does one whose run has lost its process. Only for the holder
   * of the lease of the task.
   */
  async begin(tx: Tx, name: string, withinS: number, worker: string): Promise<BegunRun | null> {
    const [begun] = await tx.query<BegunRun[]>(
      `with begun as (
         insert into periodic_task as t (name, last_started_at) values ($1, now())
         on conflict (name) do update set last_started_at = now(), wanted_at = null
           where t.wanted_at is not null or (t.paused_at is null and (
             t.last_started_at <= now() - $2::float8 * interval '1 second'
             or exists (select from task_run r where r.task = t.name and r.outcome is null)))
         returning name),
       lost as (
         update task_run set outcome = 'lost', finished_at = now(), error = 'The process died during this run.'
         where outcome is null and task in (select name from begun) returning id)
       -- Counting them makes the lost run end before the new one is open.
       insert into task_run (task, worker) select name, $3 from begun where (select count(*) from lost) >= 0
       returning id::text as id, task`,
      [name, withinS, worker],
    );
    return begun ?? null;
  }

  async succeeded(tx: Tx, run: BegunRun, report: TaskReport): Promise<void> {
    await this.end(tx, run, { outcome: 'ok', error: null, report });
  }

  async failed(tx: Tx, run: BegunRun, error: string, report: TaskReport): Promise<void> {
    await this.end(tx, run, { outcome: 'failed', error, report });
  }

  /** The process shuts down during the run: another one continues at once. */
  async stopped(tx: Tx, run: BegunRun, report: TaskReport): Promise<void> {
    await this.end(tx, run, { outcome: 'stopped', error: null, report });
  }

  /** Counts a failure of a task whose run could not begin, or whose end could not be stored. */
  async couldNotRun(tx: Tx, name: string, error: string): Promise<void> {
    await tx.query('update periodic_task set last_error = $2, failures = failures + 1 where name = $1', [name, error]);
  }

  /** Every task that has ever started, was paused or is wanted, ordered by name. */
  async list(tx: Tx): Promise<PeriodicStatus[]> {
    return tx.query<PeriodicStatus[]>(
      `select name, nullif(last_started_at, 'epoch') as "lastStartedAt", last_success_at as "lastSuccessAt",
        extract(epoch from now() - last_success_at)::float8 as "sinceSuccessS", last_error as "lastError", failures,
        exists (select from task_run r where r.task = name and r.outcome is null) as running,
        paused_at as "pausedAt", paused_by as "pausedBy", wanted_at as "wantedAt"
       from periodic_task order by name`,
    );
  }

  /** The tasks that must not wait for their time: those that are wanted, and those whose run has lost its process. */
  async urgent(tx: Tx): Promise<string[]> {
    const rows = await tx.query<{ name: string }[]>(
      `select name from periodic_task where wanted_at is not null
       union
       select task from task_run r where outcome is null
         and not ${isHeld("'periodic:' || r.task")}`,
    );
    return rows.map(({ name }) => name);
  }

  /** Sets back what lies ahead of the clock by these seconds. */
  async setBack(tx: Tx, seconds: number): Promise<void> {
    await tx.query(
      `update periodic_task set last_started_at = last_started_at - $1::float8 * interval '1 second',
         last_success_at = last_success_at - case when last_success_at > now() then $1 else 0 end * interval '1 second'
       where last_started_at > now()`,
      [seconds],
    );
  }

  /** Newest first. */
  listRuns(tx: Tx, task: string, query: PageQuery): Promise<Page<TaskRun>> {
    const where = new Conditions();
    where.add('task = ?', task);
    return listPage(tx, runs, query, where);
  }

  /** The task runs within seconds, even when it is paused. A task that runs now runs once more. */
  async want(tx: Tx, name: string): Promise<void> {
    await tx.query(
      `insert into periodic_task (name, last_started_at, wanted_at) values ($1, 'epoch', now())
       on conflict (name) do update set wanted_at = now()`,
      [name],
    );
  }

  /** False when the task is paused already. */
  async pause(tx: Tx, name: string, by: string): Promise<boolean> {
    const paused = await tx.query<unknown[]>(
      `insert into periodic_task as t (name, last_started_at, paused_at, paused_by)
       values ($1, 'epoch', now(), $2)
       on conflict (name) do update set paused_at = now(), paused_by = $2 where t.paused_at is null returning name`,
      [name, by],
    );
    return paused.length === 1;
  }

  /** False when the task is not paused. */
  async resume(tx: Tx, name: string): Promise<boolean> {
    const resumed = await tx.query<unknown[]>(
      `with resumed as (
         update periodic_task set paused_at = null, paused_by = null where name = $1 and paused_at is not null
         returning name)
       select name from resumed`,
      [name],
    );
    return resumed.length === 1;
  }

  /**
   * Deletes at most `limit` runs that are not of the newest 1,000 of their task; runs that failed are kept for 30 days.
   * Returns how many were deleted.
   */
  async prune(tx: Tx, limit: number): Promise<number> {
    const [pruned] = await tx.query<{ count: number }[]>(
      `with old as (
         delete from task_run where id in (
           select id from (
             select id, outcome, started_at, row_number() over (partition by task order by id desc) as rank
             from task_run) ranked
           where rank > $1 and (outcome <> 'failed' or started_at < now() - $2::int * interval '1 day') limit $3)
         returning 1)
       select count(*)::int as count from old`,
      [kept.runs, kept.failedDays, limit],
    );
    return pruned?.count ?? 0;
  }

  /** Does nothing when the run counts as lost already. */
  private async end(
    tx: Tx,
    { id, task }: BegunRun,
    { outcome, error, report }: { outcome: 'ok' | 'failed' | 'stopped'; error: string | null; report: TaskReport },
  ): Promise<void> {
    await tx.query(
      `with ended as (
         update task_run set outcome = $2, error = $3, counts = $4::jsonb, failures = $5::jsonb, finished_at = now()
         where id = $1 and outcome is null returning id)
       update periodic_task set
         last_success_at = case $2 when 'ok' then now() else last_success_at end,
         last_error = case $2 when 'ok' then null when 'failed' then $3 else last_error end,
         failures = case $2 when 'ok' then 0 when 'failed' then failures + 1 else failures end,
         wanted_at = case $2 when 'stopped' then now() else wanted_at end
       where name = $6 and exists (select from ended)`,
      [id, outcome, error, JSON.stringify(report.counts), JSON.stringify(report.failures), task],
    );
  }
}
