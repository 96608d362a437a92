import { Injectable, type OnModuleInit } from '@nestjs/common';
import { eachPart } from '../../jobs/each-part.js';
import { inBatches } from '../../jobs/in-batches.js';
import { Periodic } from '../../jobs/periodic.js';
import type { TaskReport } from '../../jobs/task-report.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { DueRepository } from '../due.repository.js';
import { enqueueOrders } from '../issue/enqueue-orders.js';
import { WithdrawalRepository } from '../withdraw/withdrawal.repository.js';
import { enqueueWithdrawals } from '../withdraw/withdrawals.js';
import { enqueueRenewalInfo } from './renewal-info.job.js';
import { RenewalInfoRepository } from './renewal-info.repository.js';
import { RenewalDispatch } from './renewal-dispatch.js';
import type { DueKey } from './waiting.repository.js';

/** What is enqueued is due again after this time, unless its job has set another time. Renewals stay due. */
const againMs = 10 * 60_000;
/** Orders and withdrawals have jobs for their due times. One that is later than this has lost its job. */
const lostMs = 30_000;

/** The most that one transaction takes. */
const batch = 1000;

/** Enqueues at most `limit` of what is due, which is due again at `again`, and returns how many. */
type Take = (tx: Tx, now: Date, batch: { again: Date; limit: number }) => Promise<number>;

/**
 * Periodically enqueues all work on certificates that is due: renewals that nothing holds, orders, questions to CAs,
 * and withdrawals.
 */
@Injectable()
export class RotationSweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly due: DueRepository,
    private readonly dispatch: RenewalDispatch,
    private readonly withdrawals: WithdrawalRepository,
    private readonly renewalInfos: RenewalInfoRepository,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('due-work', this.config.sweepIntervalS, (signal, report) => this.run(signal, report));
    for (const planned of [this.due, this.dispatch, this.withdrawals, this.renewalInfos])
      this.periodic.onSetBack((tx, step) => planned.setBack(tx, step));
  }

  /** Runs batches until nothing is due or the signal is aborted. */
  async run(signal: AbortSignal, report: TaskReport): Promise<void> {
    const giveOut = (kind: string, take: Take): Promise<void> =>
      inBatches({ db: this.db, signal, report }, { kind, most: batch }, (tx, limit) => {
        const now = this.clock.now();
        return take(tx, now, { again: new Date(now.getTime() + againMs), limit });
      });
    await eachPart(report, {
      waiting: () => giveOut('waiting', (tx, now, most) => this.dispatch.takeWaiting(tx, now, { ...most, report })),
      orders: () =>
        giveOut('orders', async (tx, now, most) => {
          const orders = await this.due.takeDue(tx, late(now), most);
          await enqueueOrders(tx, orders);
          return orders.length;
        }),
      questions: () =>
        giveOut('questions', async (tx, now, most) => {
          const asked = await this.renewalInfos.takeDue(tx, now, most);
          await enqueueRenewalInfo(tx, asked);
          return asked.length;
        }),
      withdrawals: () =>
        giveOut('withdrawals', async (tx, now, most) => {
          const due = await this.withdrawals.takeDue(tx, late(now), most);
          await enqueueWithdrawals(tx, due);
          return due.length;
        }),
      // Last: it reads past all renewals that are due and have a job.
      renewals: () => this.renew(signal, report),
    });
  }

  /** Each batch begins after the one before: renewals stay due until their jobs end. */
  private async renew(signal: AbortSignal, report: TaskReport): Promise<void> {
    let done = { count: batch, last: null as DueKey | null };
    while (done.count === batch && !signal.aborted) {
      const [now, after] = [this.clock.now(), done.last];
      done = await this.db.write((tx) => this.dispatch.takeDue(tx, now, { after, limit: batch, report }));
      report.count('renewals', done.count);
    }
  }
}

function late(now: Date): Date {
  return new Date(now.getTime() - lostMs);
}
