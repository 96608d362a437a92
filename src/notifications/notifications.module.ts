import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { ChannelPreview } from './channel-preview.js';
import { ChannelRepository } from './channel.repository.js';
import { ChannelSender } from './channel-sender.js';
import { ChannelService } from './channel.service.js';
import { ChannelTest } from './channel-test.js';
import { Layouts } from './layouts.js';
import { NotificationForm } from './notification-form.js';
import { NotificationRepository } from './notification.repository.js';
import { NotificationService } from './notification.service.js';
import { Recipients } from './recipients.js';
import { SubscriptionRepository } from './subscription.repository.js';

/** Channels and subscriptions; the routes are with certificates, of which some changes want to know. */
@Module({
  imports: [AuditModule],
  providers: [
    ChannelPreview,
    ChannelRepository,
    ChannelSender,
    ChannelService,
    ChannelTest,
    Layouts,
    NotificationForm,
    NotificationRepository,
    NotificationService,
    Recipients,
    SubscriptionRepository,
  ],
  exports: [
    ChannelPreview,
    ChannelRepository,
    ChannelSender,
    ChannelService,
    ChannelTest,
    Layouts,
    NotificationRepository,
    NotificationService,
    Recipients,
    SubscriptionRepository,
  ],
})
export class NotificationsModule {}
