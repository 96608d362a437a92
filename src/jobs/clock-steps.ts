import { Injectable, Logger } from '@nestjs/common';
import { Database, type Tx } from '../platform/db/database.js';
import { smallestStepS } from './lease-time.js';
import { Leases } from './lease.js';
import { OutboxRepository } from './outbox.repository.js';
import { PeriodicRepository } from './periodic.repository.js';
import type { StepBack } from './step-back.js';

/** Sets back the times that one table has planned; see `setBackTimes`. */
export type SetBack = (tx: Tx, step: StepBack) => Promise<void>;

/**
 * After so many seconds more, and once more after so many, follows what was planned by the old time, but locked or not
 * stored yet when all else followed: by a process on another machine, or by a transaction that began before.
 */
const lateAfterS = [10, 50] as const;
/** What ends sooner before the old time may have been planned since. Nothing follows a smaller step late. */
const lateReserveS = 600;

/**
 * Notices when the clock of the database was set. After a step back nothing would be due, and the leases of dead
 * processes would not end, until the old time comes again. After a step forward every lease would have expired, and
 * what is being done would be done twice. So leases move with the clock, and after a step back also what is planned.
 * The time in which no process looks at the clock counts as a step forward.
 */
@Injectable()
export class ClockSteps {
  private readonly log = new Logger('ClockSteps');
  /** In their order, in which `clock_step_back.done` counts them. */
  private readonly setBacks: SetBack[];

  constructor(
    private readonly db: Database,
    tasks: PeriodicRepository,
    private readonly outbox: OutboxRepository,
    private readonly leases: Leases,
  ) {
    this.setBacks = [
      (tx, [seconds]) => this.moveLeases(tx, -seconds),
      (tx, [seconds]) => tasks.setBack(tx, seconds),
      (tx, step) => outbox.setBack(tx, step),
    ];
  }

  /** Runs `setBack` after each step back, and again for what is late. Call it in the same order everywhere. */
  onSetBack(setBack: SetBack): void {
    this.setBacks.push(setBack);
  }

  /** Looks at the clock. At least one process must do so every few seconds, or leases expire late. */
  async follow(): Promise<void> {
    const steady = await this.look();
    if (!steady) await this.noteStep();
    if (!steady?.isFollowed) while (await this.followOne());
  }

  /** One process does it: the next one sees that the clock was looked at. */
  private async noteStep(): Promise<void> {
    const stepS = await this.db.write(async (tx) => {
      const seenS = await this.lockStepS(tx);
      if (Math.abs(seenS) <= smallestStepS) return 0;
      if (seenS > 0) {
        // The time of leases has gone on by this much already.
        await this.moveLeases(tx, seenS - smallestStepS);
      } else {
        // An earlier step back may still be followed.
        await tx.query(`update clock_step_back set next_at = least(next_at, ${inSeconds(lateAfterS[0])})`);
        await tx.query('insert into clock_step_back (seconds, next_at) values ($1, clock_timestamp())', [-seenS]);
      }
      // Not what the clock shows now: it may have been set again since it was read.
      await tx.query(`update clock_watch set seen_at = seen_at + $1::float8 * interval '1 second'`, [seenS]);
      return seenS;
    });
    const size = `${Math.round(Math.abs(stepS))} s`;
    if (stepS < 0)
      this.log.warn(`The clock of the database was set back by ${size}. Jobs, tasks and retries follow it.`);
    if (stepS > 0) this.log.log(`Leases pause for ${size}: the clock was set forward, or no process ran.`);
  }

  /**
   * Lets one kind of times follow a step back, and stores that it has. Returns false when nothing is left to do now, or
   * another process does it.
   */
  private async followOne(): Promise<boolean> {
    return this.db.write(async (tx) => {
      const [back] = await tx.query<{ id: number; seconds: number; pass: number; done: number }[]>(
        `select id, seconds, pass, done from clock_step_back where next_at <= clock_timestamp()
         order by id limit 1 for update skip locked`,
      );
      if (!back) return false;
      const setBack = this.setBacks[back.done];
      if (setBack) {
        // A dead mail server may have left millions of notices.
        await tx.query('set local statement_timeout = 0');
        await setBack(tx, [back.seconds, back.pass === 0 ? 0 : back.seconds - lateReserveS]);
        await tx.query('update clock_step_back set done = done + 1 where id = $1', [back.id]);
        return true;
      }
      const afterS = back.seconds > lateReserveS ? lateAfterS[back.pass] : undefined;
      await (afterS === undefined
        ? tx.query('delete from clock_step_back where id = $1', [back.id])
        : tx.query(
            `update clock_step_back set pass = pass + 1, done = 0, next_at = ${inSeconds(afterS)} where id = $1`,
            [back.id],
          ));
      return true;
    });
  }

  private async moveLeases(tx: Tx, bySeconds: number): Promise<void> {
    await this.leases.move(tx, bySeconds);
    await this.outbox.move(tx, bySeconds);
  }

  /** Stores that the clock was looked at; null when it has moved. */
  private async look(): Promise<{ isFollowed: boolean } | null> {
    const [stored] = await this.db.single.query<{ isFollowed: boolean }[]>(
      `insert into clock_watch (seen_at) values (clock_timestamp())
       on conflict (id) do update set seen_at = excluded.seen_at
         where abs(extract(epoch from excluded.seen_at - clock_watch.seen_at)) <= ${smallestStepS}
       returning not exists (select from clock_step_back where next_at <= clock_timestamp()) as "isFollowed"`,
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

/** SQL: when these seconds are over. */
function inSeconds(seconds: number): string {
  return `clock_timestamp() + interval '${seconds} seconds'`;
}
