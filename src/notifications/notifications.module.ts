import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { NotificationController } from './notification.controller.js';
import { NotificationForm } from './notification-form.js';
import { NotificationRepository } from './notification.repository.js';
import { NotificationService } from './notification.service.js';
import { NotificationTest } from './notification-test.js';
import { Senders } from './senders.js';

@Module({
  imports: [AuditModule],
  controllers: [NotificationController],
  providers: [NotificationForm, NotificationRepository, NotificationService, NotificationTest, Senders],
  exports: [NotificationRepository, NotificationService, Senders],
})
export class NotificationsModule {}
