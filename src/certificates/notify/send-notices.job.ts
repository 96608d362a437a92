import { createHash } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { In, IsNull, Not } from 'typeorm';
import { z } from 'zod';
import { defineJob, type JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { ChannelRepository } from '../../notifications/channel.repository.js';
import { ChannelSender } from '../../notifications/channel-sender.js';
import type { NotificationMessage } from '../../plugin-api/notification.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { Certificate, ownerVouches } from '../certificate.entity.js';
import { Delivery } from '../deploy/delivery.entity.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import { AuthorityMessages } from './authority-messages.js';
import { isAuthorityEvent, isListEvent, type Notice } from './notice.entity.js';
import { type MessageText, NoticeMessages } from './notice-messages.js';
import { NoticeRepository } from './notice.repository.js';
import { CertificateSubscriptionRepository } from './certificate-subscription.repository.js';

/** The job that sends one message for all of these notices. */
export const sendNotices = defineJob('notice.send', z.strictObject({ noticeIds: z.array(z.int()).min(1) }), {
  attempts: 3,
  timeoutS: 60,
});

/** The notices of one message: same event and channel, and for a list of certificates the same owner. */
type Sendable = readonly [Notice, ...Notice[]];

/** Decides which notices still apply, and sends them. */
@Injectable()
export class NoticeSender {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly channels: ChannelRepository,
    private readonly sender: ChannelSender,
    private readonly messages: NoticeMessages,
    private readonly ofAuthorities: AuthorityMessages,
    private readonly subscriptions: CertificateSubscriptionRepository,
  ) {}

  /** A notice is obsolete when its certificate is no longer watched, or when the failed operation has succeeded. */
  async sort(notices: readonly Notice[]): Promise<{ current: Notice[]; obsolete: Notice[] }> {
    const certificates = new Map((await this.certificatesOf(notices)).map((one) => [one.id, one]));
    const failing = new Set((await this.failingOf(notices)).map(({ id }) => id));
    const isCurrent = ({ certificateId, event, data }: Notice): boolean => {
      const certificate = certificates.get(certificateId ?? 0);
      if (event === 'delivery.failing') return failing.has(Number(data.deliveryId));
      if (event === 'certificate.expiring') return certificate?.watched ?? false;
      if (event === 'certificate.handed-over') return certificate !== undefined && !ownerVouches(certificate);
      return (
        event !== 'certificate.rotation-failed' ||
        ((certificate?.renewable ?? false) && (certificate?.renewalAttempts ?? 0) > 0)
      );
    };
    return {
      current: notices.filter(isCurrent),
      obsolete: notices.filter((notice) => !isCurrent(notice)),
    };
  }

  /** One message for all of them. Throws PluginError. */
  async send(notices: Sendable, signal: AbortSignal): Promise<void> {
    const [{ subscriptionId }] = notices;
    const message = await this.compose(notices);
    if (message === null) return;
    const channel = subscriptionId === null ? null : await this.channels.ofSubscription(this.db.single, subscriptionId);
    if (channel) await this.sender.send(channel, message, signal);
    else await this.sender.mail(message, signal);
  }

  /** Their message; null when none of the certificates exists any more, or the event is over. */
  async compose(notices: Sendable): Promise<NotificationMessage | null> {
    const written = await this.write(notices);
    return written && { event: notices[0].event, ...written, dedupeKey: keyOf(notices) };
  }

  /** The warning of a certificate of which there is no notice yet, for a channel that tells its owner besides. */
  async composeWarning(certificateId: number): Promise<NotificationMessage> {
    const event = 'certificate.expiring';
    const certificates = await this.db.single.findBy(Certificate, { id: certificateId });
    const text = await this.messages.list(event, certificates);
    return { event, ...text, recipients: [], dedupeKey: `${event}:${certificateId}` };
  }

  /** Null when none of the certificates exists any more, or the event is over. */
  private async write(notices: Sendable): Promise<(MessageText & Pick<NotificationMessage, 'recipients'>) | null> {
    const [notice] = notices;
    const { event, authorityId, subscriptionId } = notice;
    if (isAuthorityEvent(event)) {
      const message = await this.ofAuthorities.write(event, authorityId ?? 0);
      if (message === null) return null;
      const { owner, ...text } = message;
      const team = [...new Set([owner, ...(this.config.securityTeamEmail ?? [])])];
      return { ...text, recipients: subscriptionId === null ? team : [] };
    }
    const certificates = await this.certificatesOf(notices);
    const [first] = certificates;
    if (!first) return null;
    const text = isListEvent(event)
      ? await this.messages.list(event, certificates)
      : await this.messages.single(event, notice, first);
    return { ...text, recipients: await this.ownerToTell(notice, certificates, first) };
  }

  /** The address of the owner, unless a channel already sends there. */
  private async ownerToTell(
    { event, subscriptionId, data }: Notice,
    certificates: readonly Certificate[],
    { owner }: Certificate,
  ): Promise<string[]> {
    if (event === 'certificate.taken-over' && subscriptionId === null) return [String(data.formerOwner)];
    if (event !== 'certificate.expiring') return subscriptionId === null ? [owner] : [];
    const ids = certificates.map(({ id }) => id);
    const isUntold = owner.includes('@') && (await this.subscriptions.someWithoutRecipient(this.db.single, ids, owner));
    return isUntold ? [owner] : [];
  }

  private async certificatesOf(notices: readonly Notice[]): Promise<Certificate[]> {
    const ids = notices.flatMap(({ certificateId }) => certificateId ?? []);
    return this.db.single.find(Certificate, {
      where: { id: In([...new Set(ids)]) },
      order: { notAfter: 'ASC', id: 'ASC' },
    });
  }

  /** The deliveries and removals of these notices that still fail. */
  private async failingOf(notices: readonly Notice[]): Promise<Delivery[]> {
    const ids = notices.filter(({ event }) => event === 'delivery.failing').map(({ data }) => Number(data.deliveryId));
    if (ids.length === 0) return [];
    return this.db.single.findBy(Delivery, { id: In(ids), state: In(['failing', 'removing']), fault: Not(IsNull()) });
  }
}

/** The deduplication key of a message: the same for the same notices, and short for any number of them. */
function keyOf(notices: readonly Notice[]): string {
  const keys = notices.map((notice) => notice.dedupeKey).sort();
  return keys.length === 1 ? keys.join() : `notices:${createHash('sha256').update(keys.join('\n')).digest('hex')}`;
}

/** How long a claim lasts: longer than a run can. */
const claimMs = 2 * sendNotices.policy.timeoutS * 1000;

/** Handles `notice.send`: claims due notices, sends them and records the outcome. */
@Injectable()
export class SendNotices implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly notices: NoticeRepository,
    private readonly sender: NoticeSender,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(sendNotices, (data, context) => this.run(data.noticeIds, context));
  }

  private async run(ids: readonly number[], { signal }: JobContext): Promise<void> {
    const now = this.clock.now();
    const claimedUntil = new Date(now.getTime() + claimMs);
    const due = await this.notices.getMany(
      this.db.single,
      await this.notices.claim(this.db.single, ids, now, claimedUntil),
    );
    if (due.length === 0) return;
    const { current, obsolete } = await this.sender.sort(due);
    await this.record(obsolete, (notice) => notice.drop());
    const [first, ...more] = current;
    if (!first) return;
    try {
      await this.sender.send([first, ...more], signal);
      await this.record(current, (notice) => notice.sent(this.clock.now()));
    } catch (error) {
      if (isCutOff(signal, error)) {
        await this.record(current, (notice) => notice.release(claimedUntil));
        throw error;
      }
      if (!isExpected(error)) new Logger('notify').error(error);
      await this.record(current, (notice) => notice.fail(failureOf(error), this.clock.now()));
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
