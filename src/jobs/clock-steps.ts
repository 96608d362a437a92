import { Injectable, Logger } from '@nestjs/common';
import { Database, type Tx } from '../platform/db/database.js';
import { smallestStepS } from './lease-time.js';
import { Leases } from './lease.js';
import { OutboxRepository } from './outbox.repository.js';
import { PeriodicRepository } from './periodic.repository.js';

/** By how many seconds the clock was set back, and which times follow it: those that are so many seconds ahead. */
export type StepBack = [seconds: number, aheadS: number];

/** Sets back the times that one table has planned; see `setBackTimes`. */
export type SetBack = (tx: Tx, step: StepBack) => Promise<void>;

/** Longer than any wait for a next attempt, see retryAt. Later times do not depend on when they were planned. */
const longestWaitHours = 8;

/**
 * What was planned by the old time, but stored only after the step was followed, follows it after this time: by a
 * process on another machine, or by a transaction that began before.
 */
const lateS = 10;
/** The same may have been planned so long before. */
const lateReserveS = 60;

/**
 * SQL: sets back what a table has planned before the clock was set back, so that nothing waits longer than it would
 * have. $1 and $2 are a StepBack. What was planned after the step, and is not due yet, becomes due. `only`: a condition
 * for rows whose time is a wait and no date.
 */
export function setBackTimes(table: string, column: string, only = 'true'): string {
  const step = `$1::float8 * interval '1 second'`;
  return `update ${table} set ${column} = ${column} - ${step}
    where ${column} > now() + $2::float8 * interval '1 second' and ${column} <= now() + ${step} + interval '${longestWaitHours} hours' and ${only}`;
}

/**
 * Notices when the clock of the database was set. After a step back nothing would be due, and the leases of dead
 * processes would not end, until the old time comes again. After a step forward every lease would have expired, and
 * what is being done would be done twice. So leases move with the clock, and after a step back also what is planned.
 * The time in which no process looks at the clock counts as a step forward.
 */
@Injectable()
export class ClockSteps {
  private readonly log = new Logger('ClockSteps');
  private readonly setBacks: SetBack[] = [];

  constructor(
    private readonly db: Database,
    private readonly tasks: PeriodicRepository,
    private readonly outbox: OutboxRepository,
    private readonly leases: Leases,
  ) {}

  /** Runs `setBack` in the transaction that follows a step back. */
  onSetBack(setBack: SetBack): void {
    this.setBacks.push(setBack);
  }

  /** Looks at the clock. At least one process must do so every few seconds, or leases expire late. */
  async follow(): Promise<void> {
    const steady = await this.look();
    if (steady?.isLate) await this.followLate();
    if (steady) return;
    const stepS = await this.db.write(async (tx) => {
      // One process does it: the next one sees that the step has been followed.
      const seenS = await this.lockStepS(tx);
      if (Math.abs(seenS) <= smallestStepS) return 0;
      // The time of leases has gone on by this much already.
      const movedS = seenS > 0 ? seenS - smallestStepS : seenS;
      if (movedS < 0) await this.tasks.setBack(tx, -movedS);
      await this.leases.move(tx, movedS);
      await this.outbox.move(tx, movedS);
      if (movedS < 0) await this.setBack(tx, [-movedS, 0]);
      await tx.query('update clock_watch set seen_at = clock_timestamp()');
      if (movedS < 0)
        await tx.query('update clock_watch set set_back_s = $1, set_back_at = clock_timestamp()', [-movedS]);
      return seenS;
    });
    const inSeconds = `${Math.round(Math.abs(stepS))} s`;
    if (stepS < 0)
      this.log.warn(`The clock of the database was set back by ${inSeconds}. Jobs, tasks and retries follow it.`);
    if (stepS > 0) this.log.log(`Leases pause for ${inSeconds}: the clock was set forward, or no process ran.`);
  }

  /** One process does it, once. */
  private async followLate(): Promise<void> {
    await this.db.write(async (tx) => {
      const [[step]] = await tx.query<[{ seconds: number }[], number]>(
        `update clock_watch w set set_back_s = null, set_back_at = null
         from (select id, set_back_s from clock_watch for update) as late
         where w.id = late.id and late.set_back_s is not null returning late.set_back_s as seconds`,
      );
      if (step) await this.setBack(tx, [step.seconds, Math.max(0, step.seconds - lateReserveS)]);
    });
  }

  private async setBack(tx: Tx, step: StepBack): Promise<void> {
    for (const setBack of this.setBacks) await setBack(tx, step);
  }

  /** Stores that the clock was looked at; null when it has moved. `isLate`: `followLate` is due. */
  private async look(): Promise<{ isLate: boolean } | null> {
    const [stored] = await this.db.single.query<{ isLate: boolean }[]>(
      `insert into clock_watch (seen_at) values (clock_timestamp())
       on conflict (id) do update set seen_at = excluded.seen_at
         where abs(extract(epoch from excluded.seen_at - clock_watch.seen_at)) <= ${smallestStepS}
       returning coalesce(set_back_at < clock_timestamp() - interval '${lateS} seconds', false) as "isLate"`,
    );
    return stored ?? null;
  }

  private async lockStepS(tx: Tx): Promise<number> {
    const [watch] = await tx.query<{ stepS: number }[]>(
      `select extract(epoch from clock_timestamp() - seen_at)::float8 as "stepS" from clock_watch for update`,
    );
    return watch?.stepS ?? 0;
  }
}
