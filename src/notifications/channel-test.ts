import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { AttemptLimit } from '../auth/attempt-limit.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { PluginError } from '../plugin-api/errors.js';
import type { NotificationMessage } from '../plugin-api/notification.js';
import { mayWriteToAnyone } from '../roles/permission.js';
import { ChannelRepository } from './channel.repository.js';
import { ChannelSender, type SendingChannel } from './channel-sender.js';
import { ChannelService } from './channel.service.js';
import { inSubject, type MessageDraft, renderMessage } from './message-layout.js';
import { NotificationRepository, pluginOf } from './notification.repository.js';
import type { TestView } from './notification.schema.js';
import { demandChange } from './notification.service.js';

const timeoutMs = 15_000;
const perUser = { attempts: 10, windowMs: 10 * 60_000, keys: 10_000 };

/** The channel or notification under test, as the audit log and the message name it. */
interface Tested {
  kind: 'channel' | 'notification';
  id: number;
  label: string;
  channel: SendingChannel;
}

/**
 * Sends a test message: through the channel for administrators and operators, to their own address for all others, who
 * must not be able to send mail to strangers in the name of this installation.
 */
@Injectable()
export class ChannelTest {
  private readonly sent = new AttemptLimit(perUser);

  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly db: Database,
    private readonly audit: Audit,
    private readonly channels: ChannelRepository,
    private readonly channelService: ChannelService,
    private readonly notifications: NotificationRepository,
    private readonly sender: ChannelSender,
  ) {}

  /**
   * Gives the outcome. Throws Problem `not-found`, `forbidden`, and `too-many-requests` after ten tests of one user in
   * ten minutes.
   */
  async ofChannel(actor: Actor, id: number): Promise<TestView> {
    const channel = await this.channels.get(this.db.single, id);
    this.channelService.demandChange(actor, channel);
    return this.test(actor, { kind: 'channel', id, label: channel.label, channel });
  }

  /** A channel with its test message, unsent. Throws Problem `not-found` or `forbidden`. */
  async sample(actor: Actor, id: number): Promise<{ channel: SendingChannel; message: NotificationMessage }> {
    const channel = await this.channels.get(this.db.single, id);
    this.channelService.demandChange(actor, channel);
    return { channel, message: this.messageOf(actor, { kind: 'channel', id, label: channel.label }) };
  }

  /** The test message of mail without a channel, unsent. */
  sampleMail(actor: Actor): NotificationMessage {
    return this.messageOf(actor, { kind: 'channel', id: 0, label: 'owners' });
  }

  /** As `ofChannel`, with the channel of a notification. */
  async ofNotification(actor: Actor, id: number): Promise<TestView> {
    const row = await this.notifications.get(this.db.single, id);
    demandChange(actor, row);
    return this.test(actor, {
      kind: 'notification',
      id,
      label: row.label,
      channel: { ...pluginOf(row), layout: null },
    });
  }

  private async test(actor: Actor, tested: Tested): Promise<TestView> {
    const waitMs = this.sent.take(String(actor.userId), this.clock.now().getTime());
    if (waitMs > 0)
      throw new Problem('too-many-requests', 'At most ten test messages in ten minutes.', {
        retryAfterS: Math.ceil(waitMs / 1000),
      });
    const { kind, id } = tested;
    await this.db.write((tx) =>
      this.audit.record(tx, actor, { action: `${kind}.tested`, targetType: kind, targetId: id }),
    );
    try {
      await this.attempt(actor, tested);
      return { ok: true, fault: null, detail: null };
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      return { ok: false, fault: error.fault, detail: error.detail };
    }
  }

  private attempt(actor: Actor, tested: Tested): Promise<void> {
    const message = this.messageOf(actor, tested);
    const signal = AbortSignal.timeout(timeoutMs);
    return mayWriteToAnyone(actor)
      ? this.sender.send(tested.channel, message, signal)
      : this.sender.mail(message, signal);
  }

  private messageOf(actor: Actor, { kind, id, label }: Omit<Tested, 'channel'>): NotificationMessage {
    const dedupeKey = `notification.test:${id}:${randomUUID()}`;
    const rendered = renderMessage(testMessage(kind, label, actor));
    const url = `${this.config.publicUrl}/api/1/${kind}s/${id}`;
    return {
      event: 'notification.test',
      ...rendered,
      severity: 'info',
      incidents: [{ action: 'open', key: `${url}#${dedupeKey}`, summary: rendered.subject, severity: 'info', url }],
      data: { [kind]: label, requestedBy: actor.username },
      recipients: mayWriteToAnyone(actor) ? [] : [actor.email],
      dedupeKey,
    };
  }
}

function testMessage(kind: string, label: string, { username }: Actor): MessageDraft {
  return {
    subject: `Test of ${inSubject(label)}`,
    heading: 'This is a test',
    paragraphs: [`${username} tested whether messages of the ${kind} ${label} arrive. No action is needed.`],
    cards: [],
  };
}
