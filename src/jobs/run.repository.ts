import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { prepared } from '../platform/db/statement.js';
import { leaseTime } from './lease-time.js';
import { free, seconds, waitAgain } from './outbox.repository.js';
import type { JobRef } from './queue.js';

/**
 * A run that holds its outbox row until its lease expires. `runId` is the fencing token: its outcome is not stored once
 * another run holds the row.
 */
export interface ClaimedRun {
  readonly ref: JobRef;
  readonly runId: string;
}

/** What is recorded of a run that ends. */
interface Ending {
  outcome: 'ok' | 'failed' | 'lost' | 'postponed';
  error: string | null;
}

/** The row of `run`; $1 has all ids. Locked in order of id, so that two statements about many do not deadlock. */
const inOrder = `outbox.id = run.outbox_id
  and outbox.id = any(array(select id from outbox where id = any($1::uuid[]) order by id for update))`;
/** Not by the indexes of due and of dead rows: the planner does not know how many there are at the moment. */
const [isDue, isDead] = [`state || '' = 'due'`, `state <> 'done' and state <> 'due'`];

const claim = prepared<{ runId: string; data: unknown }>(
  'runs_claim',
  `with claimed as (
     update outbox set attempts = attempts + 1, lease_until = now() + ${seconds('$4')}, leased_by = run.id,
       waiting = false
     from unnest($1::uuid[], $2::text[], $3::int[]) as run(outbox_id, id, attempt)
     where ${inOrder} and attempts = run.attempt - 1 and ${isDue}
       and (lease_until is null or lease_until <= ${leaseTime} or leased_by = 'queue')
     returning outbox.id, job, data, attempts, leased_by),
   lost as (
     update job_run set outcome = 'lost', finished_at = now(), error = 'The worker died or lost its lease.'
     where outbox_id = any(array(select id from claimed)) and outcome is null),
   begun as (
     insert into job_run (id, job, outbox_id, attempt, worker)
     select leased_by::uuid, job, id, attempts, $5 from claimed)
   select leased_by as "runId", data from claimed`,
);

/** SQL: ends the runs of $1 and $2 with the outcome $3 and the error $4, and gives those that still held their rows. */
const ended = (change: string): string => `
  with moved as (
    update outbox set ${change}, ${free} from unnest($1::uuid[], $2::text[]) as run(outbox_id, id)
    where ${inOrder} and leased_by = run.id returning job, identity, run.id as run_id),
  obsolete as (
    delete from outbox
    where $3 = 'ok' and ${isDead} and identity = any(array(select identity from moved))
      and (job, identity) in (select job, identity from moved)),
  closed as (
    update job_run set finished_at = now(), error = $4::text,
      outcome = case when id::text in (select run_id from moved) then $3 else 'lost' end
    where id = any($2::uuid[]) and outcome is null)
  select run_id as "runId" from moved`;
const complete = prepared<{ runId: string }>(
  'runs_complete',
  ended(`state = 'done', finished_at = now(), last_error = null`),
);

/** Every query on `job_run`, and on the rows of `outbox` that runs hold. All times are by the clock of the database. */
@Injectable()
export class RunRepository {
  /**
   * Starts runs and returns the data of their jobs, in the order of `runs`; undefined when a ref is stale or another
   * run holds the row.
   */
  async claim(
    tx: Tx,
    runs: readonly ClaimedRun[],
    worker: string,
    leaseS: number,
  ): Promise<({ data: unknown } | undefined)[]> {
    const attempts = runs.map(({ ref }) => ref.attempt);
    const claimed = await claim(tx, [...idsOf(runs), attempts, leaseS, worker]);
    const byRun = new Map(claimed.map(({ runId, data }) => [runId, { data }]));
    return runs.map(({ runId }) => byRun.get(runId));
  }

  /** Extends the leases of these runs. Returns the ids of the runs that still hold their rows. */
  async extend(tx: Tx, runs: readonly ClaimedRun[], leaseS: number): Promise<Set<string>> {
    const held = await tx.query<{ runId: string }[]>(
      `with held as (
         update outbox set lease_until = now() + ${seconds('$3')}
         from unnest($1::uuid[], $2::text[]) as run(outbox_id, id)
         where ${inOrder} and leased_by = run.id returning leased_by)
       select leased_by as "runId" from held`,
      [...idsOf(runs), leaseS],
    );
    return new Set(held.map((row) => row.runId));
  }

  /**
   * Stores success and deletes the dead letters of the same jobs and identities. Returns for each run, in order, false
   * when it has lost its lease: then its outbox row is unchanged.
   */
  async complete(tx: Tx, runs: readonly ClaimedRun[]): Promise<boolean[]> {
    const settled = await complete(tx, [...idsOf(runs), 'ok', null]);
    const held = new Set(settled.map(({ runId }) => runId));
    return runs.map(({ runId }) => held.has(runId));
  }

  /**
   * Stores a failure. The row is due again after `backoffS`, doubled with each attempt, with 20 % jitter. Like the next
   * three methods it returns false, and changes no outbox row, when the run has lost its lease.
   */
  async retry(tx: Tx, run: ClaimedRun, error: string, backoffS: number): Promise<boolean> {
    const wait = seconds(`(${Number(backoffS)} * power(2, attempts - 1) * (0.8 + 0.4 * random()))`);
    return this.settleOne(tx, run, `run_at = now() + ${wait}, last_error = $4, ${waitAgain}`, {
      outcome: 'failed',
      error,
    });
  }

  /** Ends a run that did nothing: it does not count as an attempt, and the row is due again after `afterS`. */
  async postpone(tx: Tx, run: ClaimedRun, reason: string, afterS: number): Promise<boolean> {
    const later = `attempts = attempts - 1, run_at = now() + ${seconds(String(Number(afterS)))}, ${waitAgain}`;
    return this.settleOne(tx, run, later, { outcome: 'postponed', error: reason });
  }

  /** Stores the last failure: the row is a dead letter. */
  async markDead(tx: Tx, run: ClaimedRun, error: string): Promise<boolean> {
    const dead = `state = 'dead', finished_at = now(), last_error = $4`;
    return this.settleOne(tx, run, dead, { outcome: 'failed', error });
  }

  /**
   * Ends a run that shutdown interrupted: it does not count as an attempt. The next run starts after a second, when the
   * queue has forgotten this one.
   */
  async handBack(tx: Tx, run: ClaimedRun): Promise<boolean> {
    const again = `attempts = attempts - 1, run_at = now() + interval '1 second', ${waitAgain}`;
    return this.settleOne(tx, run, again, { outcome: 'lost', error: 'Handed back at shutdown.' });
  }

  /** Makes the row a dead letter without a run, so that a job that kills its workers is not run for ever. */
  async markUnclaimedDead(tx: Tx, ref: JobRef, error: string): Promise<void> {
    await tx.query(
      `with given_up as (
         update outbox set state = 'dead', waiting = false, finished_at = now(), last_error = $3, ${free}
         where id = $1 and attempts = $2 - 1 and state = 'due' and (leased_by is null or leased_by = 'queue')
         returning id)
       update job_run set outcome = 'lost', finished_at = now(), error = $3
       where outbox_id = any(array(select id from given_up)) and outcome is null`,
      [ref.id, ref.attempt, error],
    );
  }

  private async settleOne(tx: Tx, run: ClaimedRun, change: string, { outcome, error }: Ending): Promise<boolean> {
    const settled = await tx.query<unknown[]>(ended(change), [...idsOf([run]), outcome, error]);
    return settled.length === 1;
  }
}

function idsOf(runs: readonly ClaimedRun[]): [outboxIds: string[], runIds: string[]] {
  return [runs.map(({ ref }) => ref.id), runs.map(({ runId }) => runId)];
}
