import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Jobs } from '../../jobs/job-runner.js';
import { replanSubscription } from '../../notifications/notifications.jobs.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { DefaultSubscriptions } from './default-subscriptions.js';
import { nextWarningAt } from './due-warnings.js';
import { NoticeRouteRepository } from './notice-route.repository.js';
import { CertificateSubscriptionRepository } from './certificate-subscription.repository.js';

/**
 * Plans the warnings of all certificates in scope of a changed subscription again. Each run plans one batch and
 * enqueues the next. The first looks again at what waits because it was switched off.
 */
@Injectable()
export class ReplanWarnings implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly routes: NoticeRouteRepository,
    private readonly subscriptions: CertificateSubscriptionRepository,
    private readonly defaults: DefaultSubscriptions,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(replanSubscription, ({ subscriptionId, after }) => this.run(subscriptionId, after));
  }

  private async run(subscriptionId: number, after: number): Promise<void> {
    await this.db.write(async (tx) => {
      const ids = await this.subscriptions.idsOf(tx, subscriptionId, after, this.clock.now());
      if (after === 0) await this.routes.releasePaused(tx, subscriptionId, this.clock.now());
      // A subscription may have been switched off since the job was written.
      const certificates = await this.defaults.addMissingOf(tx, ids);
      await this.subscriptions.planNext(
        tx,
        certificates.map((one) => ({ id: one.id, at: nextWarningAt(one) })),
      );
      if (ids.length > 0) await replanSubscription.enqueue(tx, { subscriptionId, after: ids.at(-1) ?? 0 });
    });
  }
}
