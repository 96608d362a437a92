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
 * What was planned by the old time, but locked or not stored yet when the step was followed, follows it after this
 * time: by a process on another machine, or by a transaction that began before.
 */
const lateS = 10;
/** The same may have been planned for so long before. */
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
  private readonly setBacks: SetBack[] = [];

  constructor(
    private readonly db: Database,
    private readonly tasks: PeriodicRepository,
    private readonly outbox: OutboxRepository,
    private readonly leases: Leases,
  ) {}

  /** Runs `setBack` after each step back, and once more for what is late. */
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
      await tx.query('update clock_watch set seen_at = clock_timestamp()');
      if (movedS < 0)
        await tx.query('update clock_watch set set_back_s = $1, set_back_at = clock_timestamp()', [-movedS]);
      return seenS;
    });
    // Not in the same transaction: it has locked the leases.
    if (stepS < 0) await this.setBack([-stepS, 0]);
    const inSeconds = `${Math.round(Math.abs(stepS))} s`;
    if (stepS < 0)
      this.log.warn(`The clock of the database was set back by ${inSeconds}. Jobs, tasks and retries follow it.`);
    if (stepS > 0) this.log.log(`Leases pause for ${inSeconds}: the clock was set forward, or no process ran.`);
  }

  /** One process does it, and another one again when it dies. */
  private async followLate(): Promise<void> {
    const [watch] = await this.db.single.query<{ seconds: number | null }[]>(
      'select set_back_s as seconds from clock_watch',
    );
    const seconds = watch?.seconds ?? 0;
    if (seconds === 0) return;
    await this.setBack([seconds, Math.max(0, seconds - lateReserveS)]);
    await this.db.single.query('update clock_watch set set_back_s = null, set_back_at = null where set_back_s = $1', [
      seconds,
    ]);
  }

  private async setBack(step: StepBack): Promise<void> {
    const all = [(tx: Tx) => this.outbox.setBack(tx, step), ...this.setBacks.map((one) => (tx: Tx) => one(tx, step))];
    for (const one of all) await this.db.write(one);
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
