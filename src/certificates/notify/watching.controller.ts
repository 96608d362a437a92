import { Controller, Delete, Post, Put } from '@nestjs/common';
import { NotificationRequest, NotificationView } from '../../notifications/notification.schema.js';
import { NotificationService } from '../../notifications/notification.service.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { Removed } from '../../platform/http/page.js';
import { WatchingService } from './watching.service.js';

/** Changes of notifications, and what they mean for certificates. */
@Controller('notifications')
export class WatchingController {
  constructor(
    private readonly notifications: NotificationService,
    private readonly watching: WatchingService,
  ) {}

  @Post()
  @Requires('notification:write')
  @Summary('Make a notification')
  @Answers(200, NotificationView)
  create(@Who() actor: Actor, @JsonBody(NotificationRequest) body: NotificationRequest): Promise<NotificationView> {
    return this.notifications.create(actor, body, (tx, row) => this.watching.changed(tx, actor, row, body));
  }

  @Put(':id')
  @Requires('notification:write')
  @Summary(
    'Change a notification',
    'For administrators, operators and who made it. Switched off, it makes room for ' +
      'the default notifications of owners whom nothing else would warn.',
  )
  @Answers(200, NotificationView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(NotificationRequest) body: NotificationRequest,
  ): Promise<NotificationView> {
    return this.notifications.update(actor, id, body, (tx, row) => this.watching.changed(tx, actor, row, body));
  }

  @Delete(':id')
  @Requires('notification:write')
  @Summary(
    'Delete a notification',
    'For administrators, operators and who made it. Certificates that nothing else ' +
      'warns about get the default notifications of their owners.',
  )
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.notifications.remove(actor, id, (tx, row) => this.watching.removing(tx, row));
    return { result: true };
  }
}
