import { Injectable, type OnModuleInit } from '@nestjs/common';
import { eachPart } from '../../jobs/each-part.js';
import { inBatches } from '../../jobs/in-batches.js';
import { Periodic } from '../../jobs/periodic.js';
import type { TaskReport } from '../../jobs/task-report.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { DefaultSubscriptions } from './default-subscriptions.js';
import { ExpiryLedgerRepository } from './expiry-ledger.repository.js';
import { NoticeRepository } from './notice.repository.js';
import { NoticeRouteRepository } from './notice-route.repository.js';
import { enqueueMessages } from './send-notices.job.js';

/** Notices are due again after this time, in case their job is lost. */
const retryMs = 10 * 60_000;
/** Certificates of one transaction: they are locked as long as it lasts. */
const mostCertificates = 1000;
/** Batches of certificates at once: the database works on each of them with one core. */
const batchesAtOnce = 2;
/** Notices of one transaction: the more, the fewer messages. */
const mostNotices = 5000;

/** Periodically writes notices for certificates that expire soon, and enqueues the due notices that are not sent. */
@Injectable()
export class ExpirySweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly ledger: ExpiryLedgerRepository,
    private readonly notices: NoticeRepository,
    private readonly routes: NoticeRouteRepository,
    private readonly defaults: DefaultSubscriptions,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('expiry-notices', this.config.sweepIntervalS, (signal, report) => this.run(signal, report));
    this.periodic.onSetBack((tx, step) => this.notices.setBack(tx, step));
  }

  /** Handles all that is due in batches, until the signal is aborted. */
  async run(signal: AbortSignal, report: TaskReport): Promise<void> {
    const run = { db: this.db, signal, report };
    await eachPart(report, {
      certificates: async () => {
        // It ends after both, also when one of them fails: the lease of the run must cover all that it does.
        const ends = await Promise.allSettled(
          Array.from({ length: batchesAtOnce }, () =>
            inBatches(run, { kind: 'certificates', most: mostCertificates }, (tx, most) => this.warn(tx, most)),
          ),
        );
        for (const end of ends) if (end.status === 'rejected') throw end.reason;
      },
      escalations: () =>
        inBatches(run, { kind: 'escalations', most: mostNotices }, (tx, most) =>
          this.notices.escalate(tx, this.clock.now(), most),
        ),
      notices: () => inBatches(run, { kind: 'notices', most: mostNotices }, (tx, most) => this.send(tx, most)),
    });
  }

  private async warn(tx: Tx, most: number): Promise<number> {
    const now = this.clock.now();
    const ids = await this.ledger.take(tx, now, most);
    if (ids.length === 0) return 0;
    const unmailed = await this.ledger.warn(tx, ids, now);
    if (unmailed.length === 0) return ids.length;
    // A certificate may have been listed with a subscription while the subscription was switched off.
    await this.defaults.addMissingOf(tx, unmailed);
    await this.ledger.warn(tx, unmailed, now, true);
    return ids.length;
  }

  /** Enqueues what was written just now together with what is tried again, so that it makes few messages. */
  private async send(tx: Tx, most: number): Promise<number> {
    const now = this.clock.now();
    const due = await this.notices.takeDue(tx, now, new Date(now.getTime() + retryMs), most);
    if (due.length === 0) return 0;
    await enqueueMessages(tx, await this.routes.messages(tx, due));
    return due.length;
  }
}
