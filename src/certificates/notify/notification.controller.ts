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
import { Idempotent } from '../../platform/http/idempotent.js';
import { type Page, pageOf, Removed } from '../../platform/http/page.js';
import { DefaultSubscriptions } from './default-subscriptions.js';
import { ListedCertificates } from './listed-certificates.js';

/** Routes of notifications: the form in which Lemur shows a subscription to expiring certificates and its channel. */
@Controller('notifications')
export class NotificationController {
  constructor(
    private readonly notifications: NotificationService,
    private readonly tests: ChannelTest,
    private readonly defaults: DefaultSubscriptions,
    private readonly listed: ListedCertificates,
  ) {}

  @Get()
  @Requires('notification:read')
  @Summary('List notifications', 'Each is a subscription to expiring certificates, with its channel.')
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
  @Idempotent()
  @Requires('notification:write')
  @Summary('Create a notification')
  @Answers(200, NotificationView)
  create(@Who() actor: Actor, @JsonBody(NotificationRequest) body: NotificationRequest): Promise<NotificationView> {
    return this.notifications.create(actor, body, (tx, id) => this.listed.change(tx, actor, id, body));
  }

  @Put(':id')
  @Requires('notification:write')
  @Summary(
    'Change a notification',
    'For administrators, operators and its creator. Certificates that lose their last warning by mail get the ' +
      'default notifications of their owners.',
  )
  @Answers(200, NotificationView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(NotificationRequest) body: NotificationRequest,
  ): Promise<NotificationView> {
    return this.notifications.update(actor, id, body, {
      keeping: (tx, ids, change) => this.defaults.keepWarned(tx, ids, change),
      also: (tx) => this.listed.change(tx, actor, id, body),
    });
  }

  @Delete(':id')
  @Requires('notification:write')
  @Summary('Delete a notification', 'Rights and effects as for a change.')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.notifications.remove(actor, id, (tx: Tx, ids, change) => this.defaults.keepWarned(tx, ids, change));
    return { result: true };
  }

  @Post(':id/test')
  @Requires('notification:write')
  @Summary(
    'Send a test message',
    'Sent at once: for administrators and operators to its recipients, for others by mail to ' +
      'themselves. At most ten in ten minutes.',
  )
  @Answers(200, TestView)
  test(@Who() actor: Actor, @Id() id: number): Promise<TestView> {
    return this.tests.ofNotification(actor, id);
  }
}
