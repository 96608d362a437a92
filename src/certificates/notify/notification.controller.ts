import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { ChannelTest } from '../../notifications/channel-test.js';
import {
  NotificationQuery,
  NotificationRequest,
  NotificationView,
  TestView,
} from '../../notifications/notification.schema.js';
import { NotificationService } from '../../notifications/notification.service.js';
import type { Tx } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../../platform/http/contract.js';
import { type Page, pageOf, Removed } from '../../platform/http/page.js';
import { Coverage } from './coverage.js';
import { ListedCertificates } from './listed-certificates.js';

/** Lemur's view of subscriptions and channels. */
@Controller('notifications')
export class NotificationController {
  constructor(
    private readonly notifications: NotificationService,
    private readonly tests: ChannelTest,
    private readonly coverage: Coverage,
    private readonly listed: ListedCertificates,
  ) {}

  @Get()
  @Requires('notification:read')
  @Summary('List notifications', 'Each is a subscription that hears of the end of certificates, with its channel.')
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

  @Post()
  @Requires('notification:write')
  @Summary('Make a notification')
  @Answers(200, NotificationView)
  create(@Who() actor: Actor, @JsonBody(NotificationRequest) body: NotificationRequest): Promise<NotificationView> {
    return this.notifications.create(actor, body, (tx, id) => this.listed.change(tx, actor, id, body));
  }

  @Put(':id')
  @Requires('notification:write')
  @Summary(
    'Change a notification',
    'For administrators, operators and who made it. Certificates that nothing warns about by mail any more get the ' +
      'default notifications of their owners.',
  )
  @Answers(200, NotificationView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(NotificationRequest) body: NotificationRequest,
  ): Promise<NotificationView> {
    return this.notifications.update(actor, id, body, {
      keeping: (tx, ids, change) => this.coverage.keepWarned(tx, ids, change),
      also: (tx) => this.listed.change(tx, actor, id, body),
    });
  }

  @Delete(':id')
  @Requires('notification:write')
  @Summary('Delete a notification', 'As a change of it.')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.notifications.remove(actor, id, (tx: Tx, ids, change) => this.coverage.keepWarned(tx, ids, change));
    return { result: true };
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
    return this.tests.ofNotification(actor, id);
  }
}
