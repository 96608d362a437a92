import { Injectable } from '@nestjs/common';
import { ChannelPreview } from '../../notifications/channel-preview.js';
import type { PreviewView } from '../../notifications/channel.schema.js';
import { ChannelTest } from '../../notifications/channel-test.js';
import { demandLayouts } from '../../notifications/layouts.js';
import type { NotificationMessage } from '../../plugin-api/notification.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { CertificateSubscriptionRepository } from './certificate-subscription.repository.js';
import { NoticeRepository } from './notice.repository.js';
import { NoticeJudge } from './notice-judge.js';
import { NoticeSender } from './notice-sender.js';

/** Finds the message that a channel sends next, and shows it. */
@Injectable()
export class ChannelPreviews {
  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly tests: ChannelTest,
    private readonly preview: ChannelPreview,
    private readonly notices: NoticeRepository,
    private readonly subscriptions: CertificateSubscriptionRepository,
    private readonly judge: NoticeJudge,
    private readonly sender: NoticeSender,
  ) {}

  /** Throws Problem `not-found`, and `forbidden` unless the actor may change the channel. */
  async of(actor: Actor, channelId: number): Promise<PreviewView> {
    const { channel, message: test } = await this.tests.sample(actor, channelId);
    const notice = await this.ofNotice(channelId);
    const warning = notice ?? (await this.ofWarning(channelId));
    const from = notice ? 'notice' : warning ? 'warning' : 'test';
    return { from, ...(await this.preview.of(channel, warning ?? test)) };
  }

  /** Of the mail without a channel that is sent next. Throws Problem `forbidden` for who may not write to everybody. */
  async ofOwners(actor: Actor): Promise<PreviewView> {
    demandLayouts(actor);
    const notice = await this.ofNotice(null);
    const shown = await this.preview.ofMail(notice ?? this.tests.sampleMail(actor));
    return { from: notice ? 'notice' : 'test', ...shown };
  }

  /** Of the notice that is due next, unless it no longer applies. `channelId`: null for mail without a channel. */
  private async ofNotice(channelId: number | null): Promise<NotificationMessage | null> {
    const notice = await this.notices.findNextOf(this.db.single, channelId);
    const { current } = await this.judge.sort(notice ? [notice] : [], this.clock.now());
    const composed = current[0] ? await this.sender.compose([current[0]]) : null;
    return composed?.message ?? null;
  }

  /** Of the certificate that is warned of next. */
  private async ofWarning(channelId: number): Promise<NotificationMessage | null> {
    const certificateId = await this.subscriptions.findNextOf(this.db.single, channelId);
    return certificateId === null ? null : this.sender.composeWarning(certificateId);
  }
}
