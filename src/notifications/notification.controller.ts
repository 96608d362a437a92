import { Controller, Get, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, QueryOf, Summary } from '../platform/http/contract.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { NotificationQuery, NotificationView, TestView } from './notification.schema.js';
import { NotificationService } from './notification.service.js';
import { NotificationTest } from './notification-test.js';

@Controller('notifications')
export class NotificationController {
  constructor(
    private readonly notifications: NotificationService,
    private readonly tests: NotificationTest,
  ) {}

  @Get()
  @Requires('notification:read')
  @Summary('List notifications')
  @Answers(200, pageOf(NotificationView))
  list(@QueryOf(NotificationQuery) query: NotificationQuery): Promise<Page<NotificationView>> {
    return this.notifications.list(query);
  }

  @Get(':id')
  @Requires('notification:read')
  @Summary('One notification')
  @Answers(200, NotificationView)
  get(@Id() id: number): Promise<NotificationView> {
    return this.notifications.get(id);
  }

  @Post(':id/test')
  @Requires('notification:write')
  @Summary(
    'Send a test message',
    'At once: for administrators and operators to all whom it would warn, for others ' +
      'by mail to themselves. Ten in ten minutes at most.',
  )
  @Answers(200, TestView)
  test(@Who() actor: Actor, @Id() id: number): Promise<TestView> {
    return this.tests.send(actor, id);
  }
}
