import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { ChannelQuery, ChannelRequest, ChannelView, PreviewView } from '../../notifications/channel.schema.js';
import { ChannelService } from '../../notifications/channel.service.js';
import { ChannelTest } from '../../notifications/channel-test.js';
import { TestView } from '../../notifications/notification.schema.js';
import type { Tx } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import { type Page, pageOf, Removed } from '../../platform/http/page.js';
import { ChannelPreviews } from './channel-previews.js';
import { DefaultSubscriptions } from './default-subscriptions.js';

/** Routes of channels. They are here because a change of a channel may add default subscriptions to certificates. */
@Controller('channels')
export class ChannelController {
  constructor(
    private readonly channels: ChannelService,
    private readonly tests: ChannelTest,
    private readonly previews: ChannelPreviews,
    private readonly defaults: DefaultSubscriptions,
  ) {}

  @Get()
  @Requires('notification:read')
  @Summary('List channels', 'Each has the plugin that sends messages, and its recipients.')
  @Answers(200, pageOf(ChannelView))
  list(@QueryOf(ChannelQuery) query: ChannelQuery): Promise<Page<ChannelView>> {
    return this.channels.list(query);
  }

  @Get(':id')
  @Requires('notification:read')
  @Summary('One channel')
  @Answers(200, ChannelView)
  get(@Id() id: number): Promise<ChannelView> {
    return this.channels.get(id);
  }

  @Post()
  @Idempotent()
  @Requires('notification:write')
  @Summary('Create a channel', 'Only administrators and operators can create one that does not send mail.')
  @Answers(200, ChannelView)
  create(@Who() actor: Actor, @JsonBody(ChannelRequest) body: ChannelRequest): Promise<ChannelView> {
    return this.channels.create(actor, body);
  }

  @Put(':id')
  @Requires('notification:write')
  @Summary(
    'Change a channel',
    'For administrators, operators and its creator. A secret that is absent stays; null clears it. Certificates ' +
      'that lose their last warning by mail get the default notifications of their owners.',
  )
  @Answers(200, ChannelView)
  update(@Who() actor: Actor, @Id() id: number, @JsonBody(ChannelRequest) body: ChannelRequest): Promise<ChannelView> {
    return this.channels.update(actor, id, body, (tx: Tx, ids, change) => this.defaults.keepWarned(tx, ids, change));
  }

  @Delete(':id')
  @Requires('notification:write')
  @Summary('Delete a channel that no subscription uses')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.channels.remove(actor, id);
    return { result: true };
  }

  @Get(':id/preview')
  @Requires('notification:write')
  @Summary(
    'The message that a channel sends next, unsent',
    'For administrators, operators and its creator. Of the notice that is due next, else of the next warning, else a ' +
      'test message, as the service of the channel would get it.',
  )
  @Answers(200, PreviewView)
  preview(@Who() actor: Actor, @Id() id: number): Promise<PreviewView> {
    return this.previews.of(actor, id);
  }

  @Post(':id/test')
  @Requires('notification:write')
  @Summary(
    'Send a test message',
    'Sent at once: for administrators and operators through the channel, for others by mail to themselves. At ' +
      'most ten in ten minutes.',
  )
  @Answers(200, TestView)
  test(@Who() actor: Actor, @Id() id: number): Promise<TestView> {
    return this.tests.ofChannel(actor, id);
  }
}
