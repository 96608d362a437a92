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
import { NoticeJudge } from './notice-judge.js';
import { NoticeRouteRepository } from './notice-route.repository.js';
import { NoticeSender } from './notice-sender.js';

/** Finds the message that a channel sends next, and shows it. */
@Injectable()
export class ChannelPreviews {
  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly tests: ChannelTest,
    private readonly preview: ChannelPreview,
    private readonly routes: NoticeRouteRepository,
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

  /** Of the notices that are sent next, unless they no longer apply. `channelId`: null for mail without a channel. */
  private async ofNotice(channelId: number | null): Promise<NotificationMessage | null> {
    const next = await this.routes.nextMessageOf(this.db.single, channelId);
    const { current } = await this.judge.sort(this.db.single, next, this.clock.now());
    const [first, ...more] = current;
    const composed = first ? await this.sender.compose([first, ...more]) : null;
    return composed?.message ?? null;
  }

  /** Of the certificate that is warned of next. */
  private async ofWarning(channelId: number): Promise<NotificationMessage | null> {
    const certificateId = await this.subscriptions.findNextOf(this.db.single, channelId);
    return certificateId === null ? null : this.sender.composeWarning(certificateId);
  }
}
