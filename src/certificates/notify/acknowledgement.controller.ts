import { Controller, Delete, Get, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, PathText, Summary } from '../../platform/http/contract.js';
import { type Page, pageOf, Removed } from '../../platform/http/page.js';
import { AcknowledgementRequest, AcknowledgementView } from './acknowledgement.schema.js';
import { AcknowledgementService } from './acknowledgement.service.js';

/** Routes of acknowledgements. */
@Controller('certificates/:id/acknowledgements')
export class AcknowledgementController {
  constructor(private readonly acknowledgements: AcknowledgementService) {}

  @Get()
  @Requires('certificate:read')
  @Summary('What was acknowledged of a certificate', 'Also what has ended.')
  @Answers(200, pageOf(AcknowledgementView))
  async list(@Id() id: number): Promise<Page<AcknowledgementView>> {
    const items = await this.acknowledgements.list(id);
    return { items, total: items.length };
  }

  @Put(':event')
  @Requires('certificate:update')
  @Summary(
    'Acknowledge an event of a certificate',
    'Its notices of this event wait until the given time, and its escalations too. The last two days before it ' +
      'expires cannot be acknowledged. Replaces an earlier acknowledgement.',
  )
  @Answers(200, AcknowledgementView)
  put(
    @Who() actor: Actor,
    @Id() id: number,
    @PathText('event') event: string,
    @JsonBody(AcknowledgementRequest) body: AcknowledgementRequest,
  ): Promise<AcknowledgementView> {
    return this.acknowledgements.put(actor, id, event, body);
  }

  @Delete(':event')
  @Requires('certificate:update')
  @Summary('End an acknowledgement', 'Notices that waited for its end are sent, unless they no longer apply.')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number, @PathText('event') event: string): Promise<Removed> {
    await this.acknowledgements.remove(actor, id, event);
    return { result: true };
  }
}
