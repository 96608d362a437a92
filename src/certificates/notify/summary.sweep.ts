import { Injectable, type OnModuleInit } from '@nestjs/common';
import { eachPart } from '../../jobs/each-part.js';
import { inBatches } from '../../jobs/in-batches.js';
import { Periodic } from '../../jobs/periodic.js';
import { SubscriptionRepository } from '../../notifications/subscription.repository.js';
import { lastSummaryAt, nextSummaryAt } from '../../notifications/weekly.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { type NewNotice, NoticeRepository } from './notice.repository.js';
import { enqueueMessages } from './send-notices.job.js';

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
      eachPart(report, {
        subscriptions: () =>
          inBatches({ db: this.db, signal, report }, { kind: 'summaries', most: batch }, (tx, most) =>
            this.write(tx, most),
          ),
        team: async () => report.count('summaries', await this.db.write((tx) => this.writeForTeam(tx))),
      }),
    );
  }

  private async write(tx: Tx, most: number): Promise<number> {
    const now = this.clock.now();
    const due = await this.subscriptions.takeSummaries(tx, now, nextSummaryAt(now), most);
    const event = 'summary.weekly' as const;
    const rows = due.map(({ id, dueAt }) => ({
      certificateId: null,
      subscriptionId: id,
      event,
      dedupeKey: `${event}:${id}:${dueAt.toISOString()}`,
    }));
    await this.send(tx, rows, now);
    return due.length;
  }

  /**
   * The summary of the security team, unless one channel already sends it to all of its addresses. Not of a week before
   * the first certificate. The number of notices that it wrote.
   */
  private async writeForTeam(tx: Tx): Promise<number> {
    const { securityTeamEmail: team = [], weeklySummary } = this.config;
    const now = this.clock.now();
    const dueAt = lastSummaryAt(now);
    if (team.length === 0 || !weeklySummary || !(await this.subscriptions.isTeamSummaryDue(tx, team, dueAt))) return 0;
    const event = 'summary.weekly' as const;
    const dedupeKey = `${event}:team:${dueAt.toISOString()}`;
    return this.send(tx, [{ certificateId: null, subscriptionId: null, event, dedupeKey }], now);
  }

  private async send(tx: Tx, rows: readonly NewNotice[], now: Date): Promise<number> {
    const written = await this.notices.add(tx, rows, now);
    await enqueueMessages(
      tx,
      written.map(({ id, channelId }) => ({ noticeIds: [id], channelId })),
    );
    return written.length;
  }
}
