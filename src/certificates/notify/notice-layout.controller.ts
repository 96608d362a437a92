import { Controller, Get, Put } from '@nestjs/common';
import { ChannelLayout } from '../../notifications/channel-layout.js';
import { PreviewView } from '../../notifications/channel.schema.js';
import { Layouts } from '../../notifications/layouts.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, JsonBody, Summary } from '../../platform/http/contract.js';
import { ChannelPreviews } from './channel-previews.js';

/** The layout of the installation. */
@Controller('notice-layout')
export class NoticeLayoutController {
  constructor(
    private readonly layouts: Layouts,
    private readonly previews: ChannelPreviews,
  ) {}

  @Get()
  @Requires('notification:read')
  @Summary('How messages look', 'Of mail to owners, and of every channel whose own layout says nothing else.')
  @Answers(200, ChannelLayout)
  get(): Promise<ChannelLayout> {
    return this.layouts.get();
  }

  @Put()
  @Requires('notification:write')
  @Summary('Change how messages look', 'For administrators and operators. What is absent is as usual.')
  @Answers(200, ChannelLayout)
  set(@Who() actor: Actor, @JsonBody(ChannelLayout) body: ChannelLayout): Promise<ChannelLayout> {
    return this.layouts.set(actor, body);
  }

  @Get('preview')
  @Requires('notification:write')
  @Summary(
    'The mail to an owner that is sent next, unsent',
    'For administrators and operators. Of the notice without a channel that is due next, else a test message.',
  )
  @Answers(200, PreviewView)
  preview(@Who() actor: Actor): Promise<PreviewView> {
    return this.previews.ofOwners(actor);
  }
}
