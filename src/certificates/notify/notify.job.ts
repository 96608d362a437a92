import { createHash } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { NotificationRepository, pluginOf } from '../../notifications/notification.repository.js';
import { Senders } from '../../notifications/senders.js';
import type { NotificationMessage } from '../../plugin-api/notification.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { type Certificate, ownerVouches } from '../certificate.entity.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import { certificatesOf, failingOf, Letters } from './letters.js';
import type { Notice } from './notice.entity.js';
import { NoticeRepository } from './notice.repository.js';
import { sendNotices } from './notify.jobs.js';
import { WatchRepository } from './watch.repository.js';

/** Decides what still has to be said, and says it. */
@Injectable()
export class NoticePost {
  constructor(
    private readonly db: Database,
    private readonly notifications: NotificationRepository,
    private readonly senders: Senders,
    private readonly letters: Letters,
    private readonly watches: WatchRepository,
  ) {}

  /** Obsolete is what is over by now: the certificate no longer counts, or what failed has gone through. */
  async sort(notices: readonly Notice[]): Promise<{ told: Notice[]; obsolete: Notice[] }> {
    const certificates = new Map(
      (
        await certificatesOf(
          this.db,
          notices.map((n) => n.certificateId),
        )
      ).map((c) => [c.id, c]),
    );
    const failing = new Set((await failingOf(this.db, notices)).map(({ id }) => id));
    const counts = ({ certificateId, event, data }: Notice): boolean => {
      const certificate = certificates.get(certificateId);
      if (event === 'delivery.failing') return failing.has(Number(data.deliveryId));
      if (event === 'certificate.expiring') return certificate?.watched ?? false;
      if (event === 'certificate.handed-over') return certificate !== undefined && !ownerVouches(certificate);
      return (
        event !== 'certificate.rotation-failed' ||
        ((certificate?.renewable ?? false) && (certificate?.renewalAttempts ?? 0) > 0)
      );
    };
    return { told: notices.filter(counts), obsolete: notices.filter((notice) => !counts(notice)) };
  }

  /** One message for all of them. Throws PluginError. */
  async send(notices: readonly Notice[], signal: AbortSignal): Promise<void> {
    const certificates = await certificatesOf(
      this.db,
      notices.map((n) => n.certificateId),
    );
    const [notice] = notices;
    const [first] = certificates;
    if (!notice || !first) return;
    const message = await this.message(notices, certificates, notice, first);
    const [notification] =
      notice.subscriptionId === null ? [] : await this.notifications.getMany(this.db.single, [notice.subscriptionId]);
    if (notification) await this.senders.send(pluginOf(notification), message, signal);
    else await this.senders.mail(message, signal);
  }

  private async message(
    notices: readonly Notice[],
    certificates: readonly Certificate[],
    notice: Notice,
    first: Certificate,
  ): Promise<NotificationMessage> {
    const isWarning = notice.event === 'certificate.expiring';
    const written = isWarning ? await this.letters.expiring(certificates) : await this.letters.event(notice, first);
    const told = notice.event === 'certificate.taken-over' ? String(notice.data.formerOwner) : first.owner;
    const recipients = !isWarning || (await this.isOwnerUntold(certificates, first)) ? [told] : [];
    return { event: notice.event, ...written, recipients, dedupeKey: keyOf(notices) };
  }

  /** Owners are warned besides those whom a notification names, unless they have a notification of their own. */
  private async isOwnerUntold(certificates: readonly Certificate[], { owner }: Certificate): Promise<boolean> {
    return (
      owner.includes('@') &&
      this.watches.someWithoutRecipient(
        this.db.single,
        certificates.map(({ id }) => id),
        owner,
      )
    );
  }
}

/** The same for the same notices, and short however many they are. */
function keyOf(notices: readonly Notice[]): string {
  const keys = notices.map((notice) => notice.dedupeKey).sort();
  return keys.length === 1 ? keys.join() : `notices:${createHash('sha256').update(keys.join('\n')).digest('hex')}`;
}

/** Sends notices and writes down what became of them. */
@Injectable()
export class NotifyJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly notices: NoticeRepository,
    private readonly post: NoticePost,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(sendNotices, (data, context) => this.run(data.noticeIds, context));
  }

  private async run(ids: readonly number[], { signal }: JobContext): Promise<void> {
    const due = (await this.notices.getMany(this.db.single, ids)).filter((notice) => notice.state === 'due');
    if (due.length === 0) return;
    const { told, obsolete } = await this.post.sort(due);
    await this.record(obsolete, (notice) => notice.drop());
    if (told.length === 0) return;
    try {
      await this.post.send(told, signal);
      await this.record(told, (notice) => notice.sent(this.clock.now()));
    } catch (error) {
      if (isCutOff(signal, error)) throw error;
      if (!isExpected(error)) new Logger('notify').error(error);
      await this.record(told, (notice) => notice.fail(failureOf(error), this.clock.now()));
    }
  }

  private async record(notices: readonly Notice[], change: (notice: Notice) => void): Promise<void> {
    if (notices.length === 0) return;
    await this.db.write(async (tx) => {
      const rows = await this.notices.lockDue(
        tx,
        notices.map((notice) => notice.id),
      );
      rows.forEach(change);
      await this.notices.save(tx, rows);
    });
  }
}
