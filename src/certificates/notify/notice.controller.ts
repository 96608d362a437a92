import { Controller, Get, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, QueryOf, Summary } from '../../platform/http/contract.js';
import { type Page, pageOf } from '../../platform/http/page.js';
import { NoticeQuery, NoticeView } from './notice.schema.js';
import { NoticeService } from './notice.service.js';

/** Routes of notices: what was sent, what was not, and why not. */
@Controller('notices')
export class NoticeController {
  constructor(private readonly notices: NoticeService) {}

  @Get()
  @Requires('notice:read')
  @Summary(
    'List notices',
    'Newest first. Administrators, operators and read-only users see all; others those about certificates and ' +
      'authorities whose owner role they hold. `state=due` lists what is not sent yet, with the last fault.',
  )
  @Answers(200, pageOf(NoticeView))
  list(@Who() actor: Actor, @QueryOf(NoticeQuery) query: NoticeQuery): Promise<Page<NoticeView>> {
    return this.notices.list(actor, query);
  }

  @Get(':id')
  @Requires('notice:read')
  @Summary('One notice')
  @Answers(200, NoticeView)
  get(@Who() actor: Actor, @Id() id: number): Promise<NoticeView> {
    return this.notices.get(actor, id);
  }

  @Post(':id/retry')
  @Requires('notice:retry')
  @Summary('Send a notice now', 'One that was not sent yet, or that was dropped because it was refused for days.')
  @Answers(200, NoticeView)
  retry(@Who() actor: Actor, @Id() id: number): Promise<NoticeView> {
    return this.notices.retry(actor, id);
  }
}
