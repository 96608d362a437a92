import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Channel } from '../../notifications/channel.entity.js';
import { ChannelRepository } from '../../notifications/channel.repository.js';
import { ChannelSender } from '../../notifications/channel-sender.js';
import { digestOf } from '../../notifications/digest.js';
import { escalated } from '../../notifications/message-layout.js';
import type { NotificationMessage } from '../../plugin-api/notification.js';
import { Database } from '../../platform/db/database.js';
import { Certificate } from '../certificate.entity.js';
import { AuthorityMessages } from './authority-messages.js';
import { CertificateSubscriptionRepository } from './certificate-subscription.repository.js';
import { GeneralMessages } from './general-messages.js';
import { isAuthorityEvent, isGeneralEvent, isListEvent, type Notice, type NoticeWait } from './notice.entity.js';
import { type MessageText, NoticeMessages } from './notice-messages.js';
import { NoticeRouteRepository } from './notice-route.repository.js';

/** The notices of one message: same channel, and for a list of certificates the same owner. */
type Sendable = readonly [Notice, ...Notice[]];

/** Notices of which no message can be written, because something broke. */
export interface BrokenNotices {
  notices: Sendable;
  error: unknown;
}

/**
 * A message. `told`: the notices that it tells of. `broken`: those that it must not keep from being told. All others
 * have nothing to tell any more.
 */
export interface ComposedMessage {
  message: NotificationMessage;
  told: Sendable;
  broken: readonly BrokenNotices[];
}

/** A message and where it goes. `channel`: null for mail to its recipients. */
export interface PreparedMessage extends ComposedMessage {
  channel: Channel | null;
}

type MessagePart = Omit<NotificationMessage, 'dedupeKey'>;

/** Writes the messages of notices, and sends them. */
@Injectable()
export class NoticeSender {
  constructor(
    private readonly db: Database,
    private readonly channels: ChannelRepository,
    private readonly sender: ChannelSender,
    private readonly messages: NoticeMessages,
    private readonly ofAuthorities: AuthorityMessages,
    private readonly general: GeneralMessages,
    private readonly routes: NoticeRouteRepository,
    private readonly subscriptions: CertificateSubscriptionRepository,
  ) {}

  /** Their message and its channel; null when there is nothing to tell any more. */
  async prepare(notices: Sendable): Promise<PreparedMessage | null> {
    const composed = await this.compose(notices);
    const [{ escalatesId }] = notices;
    // A certificate that renews without anybody's help needs nobody else's attention.
    if (composed === null || (escalatesId !== null && composed.message.severity === 'info')) return null;
    return { ...composed, channel: await this.channelOf(notices[0]) };
  }

  /** Until when the channel sends nothing, and why; null when it sends at once, as it does what is critical. */
  async waitOf({ channel, message, told }: PreparedMessage, now: Date): Promise<NoticeWait | null> {
    if (channel === null || message.severity === 'critical') return null;
    const collected = told.every(({ hold, attempts }) => hold === 'digest' || attempts > 0);
    return this.channels.waitOf(this.db.single, channel.id, now, collected);
  }

  /** Throws PluginError. */
  async send({ channel, message }: PreparedMessage, signal: AbortSignal): Promise<void> {
    if (channel) await this.sender.send(channel, message, signal);
    else await this.sender.mail(message, signal);
  }

  /**
   * Their message; null when none of the certificates exists any more, or the event is over. Throws when something
   * broke for each of them.
   */
  async compose(notices: Sendable): Promise<ComposedMessage | null> {
    const parts: MessagePart[] = [];
    const told: Notice[] = [];
    const broken: BrokenNotices[] = [];
    for (const ofOne of byEvent(notices)) {
      try {
        const part = await this.composePart(ofOne);
        if (part === null) continue;
        parts.push(part);
        told.push(...ofOne);
      } catch (error) {
        broken.push({ notices: ofOne, error });
      }
    }
    const [[part, ...otherParts], [notice, ...others]] = [parts, told];
    if ((!part || !notice) && broken[0]) throw broken[0].error;
    if (!part || !notice) return null;
    const ids = told.map(({ id }) => id);
    const whole = { ...digestOf([part, ...otherParts]), dedupeKey: keyOf([notice, ...others]) };
    return {
      message: { ...whole, told: await this.routes.toldElsewhere(this.db.single, ids) },
      told: [notice, ...others],
      broken,
    };
  }

  /** The message about notices of one event; null when there is nothing to tell. */
  private async composePart(notices: Sendable): Promise<MessagePart | null> {
    const written = await this.write(notices);
    if (written === null) return null;
    const [{ event, escalatesId }] = notices;
    const untended = escalatesId === null ? null : await this.routes.findSent(this.db.single, escalatesId);
    const text = untended ? escalated(written, untended) : {};
    return { event, ...written, ...text };
  }

  /** The warning of a certificate of which there is no notice yet, for a channel that tells its owner besides. */
  async composeWarning(certificateId: number): Promise<NotificationMessage> {
    const event = 'certificate.expiring';
    const certificates = await this.db.single.findBy(Certificate, { id: certificateId });
    const text = await this.messages.list(event, certificates);
    const recipients = await this.untoldOwner(certificates);
    return { event, ...text, recipients, dedupeKey: `${event}:${certificateId}` };
  }

  /** Null for the mail to the owner. */
  private async channelOf({ subscriptionId, escalatesId }: Notice): Promise<Channel | null> {
    if (subscriptionId === null) return null;
    return this.channels.ofSubscription(this.db.single, subscriptionId, escalatesId !== null);
  }

  /** Null when none of the certificates exists any more, or the event is over. */
  private async write(notices: Sendable): Promise<(MessageText & Pick<NotificationMessage, 'recipients'>) | null> {
    const [notice] = notices;
    const { event, authorityId, subscriptionId } = notice;
    if (isAuthorityEvent(event)) {
      const message = await this.ofAuthorities.write(event, authorityId ?? 0);
      if (message === null) return null;
      const { team, ...text } = message;
      return { ...text, recipients: subscriptionId === null ? team : [] };
    }
    if (isGeneralEvent(event)) return this.general.write(event, notice);
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
    { event, subscriptionId, escalatesId, data }: Notice,
    certificates: readonly Certificate[],
    { owner }: Certificate,
  ): Promise<string[]> {
    if (escalatesId !== null) return [];
    if (event === 'certificate.taken-over' && subscriptionId === null) return [String(data.formerOwner)];
    if (event !== 'certificate.expiring') return subscriptionId === null ? [owner] : [];
    return this.untoldOwner(certificates);
  }

  /** The owner of these certificates, unless channels that mail the owner warn of all of them. */
  private async untoldOwner(certificates: readonly Certificate[]): Promise<string[]> {
    const owner = certificates[0]?.owner ?? '';
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
}

/** The notices in parts of one event; each notice alone unless its event lists many. */
function byEvent(notices: Sendable): Sendable[] {
  const parts = new Map<string, Sendable>();
  for (const notice of notices) {
    const key = isListEvent(notice.event) ? notice.event : String(notice.id);
    parts.set(key, [...(parts.get(key) ?? []), notice] as unknown as Sendable);
  }
  return [...parts.values()];
}

/** The deduplication key of a message: the same for the same notices, and short for any number of them. */
function keyOf(notices: readonly Notice[]): string {
  const keys = notices.map((notice) => notice.dedupeKey).sort();
  return keys.length === 1 ? keys.join() : `notices:${createHash('sha256').update(keys.join('\n')).digest('hex')}`;
}
