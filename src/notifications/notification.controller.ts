import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { type Page, pageOf, type PageQuery } from '../platform/http/page.js';
import { NotificationQuery, NotificationRequest, NotificationView } from './notification.schema.js';
import { NotificationService } from './notification.service.js';

@Controller('notifications')
export class NotificationController {
  constructor(private readonly notifications: NotificationService) {}

  @Get() @Requires('notification:read') @Summary('List notifications') @Answers(200, pageOf(NotificationView))
  list(@QueryOf(NotificationQuery) query: PageQuery): Promise<Page<NotificationView>> {
    return this.notifications.list(query);
  }

  @Get(':id') @Requires('notification:read') @Summary('One notification') @Answers(200, NotificationView)
  get(@Id() id: number): Promise<NotificationView> {
    return this.notifications.get(id);
  }

  @Post() @Requires('notification:write') @Summary('Make a notification') @Answers(200, NotificationView)
  create(@Who() actor: Actor, @JsonBody(NotificationRequest) body: NotificationRequest): Promise<NotificationView> {
    return this.notifications.create(actor, body);
  }

  @Put(':id') @Requires('notification:write') @Summary('Change a notification') @Answers(200, NotificationView)
  update(@Who() actor: Actor, @Id() id: number, @JsonBody(NotificationRequest) body: NotificationRequest): Promise<NotificationView> {
    return this.notifications.update(actor, id, body);
  }

  @Delete(':id') @Requires('notification:write') @Summary('Delete a notification') @Answers(204, null)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<void> {
    await this.notifications.remove(actor, id);
  }
}
