import { Injectable, type OnModuleInit } from '@nestjs/common';
import { inBatches } from '../../jobs/in-batches.js';
import { Periodic } from '../../jobs/periodic.js';
import { SubscriptionRepository } from '../../notifications/subscription.repository.js';
import { nextSummaryAt } from '../../notifications/weekly.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { NoticeRepository } from './notice.repository.js';
import { sendNotices } from './send-notices.job.js';

const batch = 200;

/** Periodically writes the notices of the weekly summaries that are due. One that is late is written once. */
@Injectable()
export class SummarySweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly notices: NoticeRepository,
    private readonly subscriptions: SubscriptionRepository,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('weekly-summaries', this.config.sweepIntervalS, (signal, report) =>
      inBatches({ db: this.db, signal, report }, { kind: 'summaries', most: batch }, (tx) => this.write(tx)),
    );
  }

  private async write(tx: Tx): Promise<number> {
    const now = this.clock.now();
    const due = await this.subscriptions.takeSummaries(tx, now, nextSummaryAt(now), batch);
    const event = 'summary.weekly' as const;
    const rows = due.map(({ id, dueAt }) => ({
      certificateId: null,
      subscriptionId: id,
      event,
      dedupeKey: `${event}:${id}:${dueAt.toISOString()}`,
    }));
    const ids = await this.notices.add(tx, rows, now);
    await sendNotices.enqueueMany(
      tx,
      ids.map((id) => ({ data: { noticeIds: [id] } })),
    );
    return due.length;
  }
}
