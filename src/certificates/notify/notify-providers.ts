import type { Provider, Type } from '@nestjs/common';
import { AcknowledgementController } from './acknowledgement.controller.js';
import { AcknowledgementRepository } from './acknowledgement.repository.js';
import { AcknowledgementService } from './acknowledgement.service.js';
import { AuthorityMessages } from './authority-messages.js';
import { CertificateSubscriptionRepository } from './certificate-subscription.repository.js';
import { ChannelPreviews } from './channel-previews.js';
import { ChannelController } from './channel.controller.js';
import { CrlOverdueSweep } from './crl-overdue.sweep.js';
import { DefaultSubscriptions } from './default-subscriptions.js';
import { ExpiryLedgerRepository } from './expiry-ledger.repository.js';
import { ExpirySweep } from './expiry.sweep.js';
import { GeneralMessages } from './general-messages.js';
import { ListedCertificates } from './listed-certificates.js';
import { NoticeJudge } from './notice-judge.js';
import { NoticeMessages } from './notice-messages.js';
import { NoticeLayoutController } from './notice-layout.controller.js';
import { NoticeController } from './notice.controller.js';
import { NoticeRepository } from './notice.repository.js';
import { NoticeRouteRepository } from './notice-route.repository.js';
import { NoticeService } from './notice.service.js';
import { NoticeSender } from './notice-sender.js';
import { Notices } from './notices.js';
import { NotificationController } from './notification.controller.js';
import { RefusedNotices } from './refused-notices.js';
import { ReplanWarnings } from './replan-warnings.job.js';
import { SendNotices } from './send-notices.job.js';
import { SubscriptionController } from './subscription.controller.js';
import { SubscriptionForm, SubscriptionService } from './subscription.service.js';
import { SummarySweep } from './summary.sweep.js';

export const notifyControllers: Type[] = [
  AcknowledgementController,
  ChannelController,
  NoticeController,
  NoticeLayoutController,
  NotificationController,
  SubscriptionController,
];

/** What decides on notices, writes and sends them. */
export const notifyProviders: Provider[] = [
  AcknowledgementRepository,
  AcknowledgementService,
  AuthorityMessages,
  CertificateSubscriptionRepository,
  ChannelPreviews,
  CrlOverdueSweep,
  DefaultSubscriptions,
  ExpiryLedgerRepository,
  ExpirySweep,
  GeneralMessages,
  ListedCertificates,
  NoticeJudge,
  NoticeMessages,
  NoticeRepository,
  NoticeRouteRepository,
  NoticeSender,
  NoticeService,
  Notices,
  RefusedNotices,
  ReplanWarnings,
  SendNotices,
  SubscriptionForm,
  SubscriptionService,
  SummarySweep,
];
