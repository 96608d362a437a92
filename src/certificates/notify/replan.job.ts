import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Jobs } from '../../jobs/job-runner.js';
import { replanSubscription } from '../../notifications/notifications.jobs.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { Coverage } from './coverage.js';
import { nextWarningAt } from './due-warnings.js';
import { WatchRepository } from './watch.repository.js';

/**
 * After a notification has changed: plans the warnings of its certificates anew. Each run does one batch and leaves the
 * rest to the next.
 */
@Injectable()
export class ReplanWarnings implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly watches: WatchRepository,
    private readonly coverage: Coverage,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(replanSubscription, ({ subscriptionId, after }) => this.run(subscriptionId, after));
  }

  private async run(subscriptionId: number, after: number): Promise<void> {
    await this.db.write(async (tx) => {
      const ids = await this.watches.idsOf(tx, subscriptionId, after, this.clock.now());
      // A subscription may have been switched off since the job was written.
      const watched = await this.coverage.covered(tx, await this.watches.of(tx, ids));
      await this.watches.planNext(
        tx,
        watched.map((w) => ({ id: w.id, at: nextWarningAt(w) })),
      );
      if (ids.length > 0) await replanSubscription.enqueue(tx, { subscriptionId, after: ids.at(-1) ?? 0 });
    });
  }
}
