import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../../jobs/periodic.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { DueRepository } from '../due.repository.js';
import { DefaultSubscriptions } from './default-subscriptions.js';
import { dueWarnings, nextWarningAt, warnAt } from './due-warnings.js';
import { isListEvent, type Notice } from './notice.entity.js';
import { NoticeRepository } from './notice.repository.js';
import { sendNotices } from './send-notices.job.js';
import {
  type SubscribedCertificate,
  CertificateSubscriptionRepository,
} from './certificate-subscription.repository.js';

/** Certificates and notices are due again after this time, in case their transaction or job is lost. */
const retryMs = 10 * 60_000;

/** Periodically writes notices for certificates that expire soon, and enqueues the due notices that are not sent. */
@Injectable()
export class ExpirySweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly due: DueRepository,
    private readonly notices: NoticeRepository,
    private readonly subscriptions: CertificateSubscriptionRepository,
    private readonly defaults: DefaultSubscriptions,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('expiry-notices', this.config.sweepIntervalS, (signal) => this.run(signal));
  }

  /** Handles all batches of 200 that are due, until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.db.write((tx) => this.warn(tx))) === 200);
    while (!signal.aborted && (await this.db.write((tx) => this.resend(tx))) === 200);
  }

  private async warn(tx: Tx): Promise<number> {
    const now = this.clock.now();
    const taken = await this.due.takeDue(tx, 'nextNoticeAt', now, new Date(now.getTime() + retryMs));
    const ids = taken.map(({ id }) => id);
    if (ids.length === 0) return 0;
    // A certificate may have been listed with a subscription while the subscription was switched off.
    const certificates = await this.defaults.addMissing(tx, await this.subscriptions.of(tx, ids));
    const warnings = certificates.flatMap((one) => dueWarnings(one, now));
    const added = await this.notices.add(tx, warnings, now);
    await this.send(tx, await this.notices.getMany(tx, added), certificates);
    await this.subscriptions.planNext(
      tx,
      certificates.map((one) => ({
        id: one.id,
        at: nextWarningAt({ ...one, leads: one.leads.filter((lead) => warnAt(one, lead.leadS) > now) }),
      })),
    );
    return ids.length;
  }

  private async resend(tx: Tx): Promise<number> {
    const now = this.clock.now();
    const due = await this.notices.takeDue(tx, now, new Date(now.getTime() + retryMs));
    if (due.length > 0)
      await this.send(
        tx,
        due,
        await this.subscriptions.of(
          tx,
          due.flatMap((n) => n.certificateId ?? []),
        ),
      );
    return due.length;
  }

  /**
   * Enqueues one message for all expiring certificates of an owner with the same channel, one for all certificates of
   * a list event and subscription, and one for every other notice.
   */
  private async send(
    tx: Tx,
    notices: readonly Notice[],
    certificates: readonly SubscribedCertificate[],
  ): Promise<void> {
    const routes = new Map(
      certificates.flatMap((one) => one.leads.map((lead) => [`${one.id}:${lead.id}`, `${lead.channel}:${one.owner}`])),
    );
    const groups = new Map<string, number[]>();
    for (const notice of notices) {
      const key = routeOf(notice, routes) ?? `notice:${notice.id}`;
      groups.set(key, [...(groups.get(key) ?? []), notice.id]);
    }
    await sendNotices.enqueueMany(
      tx,
      [...groups.values()].map((noticeIds) => ({ data: { noticeIds } })),
    );
  }
}

/** Notices with the same route are sent in one message; undefined: the notice is sent alone. */
function routeOf(
  { event, certificateId, subscriptionId }: Notice,
  routes: ReadonlyMap<string, string>,
): string | undefined {
  if (event === 'certificate.expiring') return routes.get(`${certificateId ?? ''}:${subscriptionId ?? ''}`);
  return isListEvent(event) ? `${event}:${subscriptionId ?? ''}` : undefined;
}
