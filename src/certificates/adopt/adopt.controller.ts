import { Controller, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { AdoptRequest, AdoptionView } from './adopt.schema.js';
import { AdoptService } from './adopt.service.js';

/** The route that puts a certificate from elsewhere under management. */
@Controller('certificates')
export class AdoptController {
  constructor(private readonly adopting: AdoptService) {}

  @Post(':id/adopt')
  @Requires('certificate:update')
  @Summary(
    'Manage a certificate that was found or imported',
    'Sets owner, authority and rotation in one step. `plan.steps` of the answer says what a person must still do, ' +
      'for example when its private key is not here. A certificate that has an authority keeps it.',
  )
  @Answers(200, AdoptionView)
  adopt(@Who() actor: Actor, @Id() id: number, @JsonBody(AdoptRequest) body: AdoptRequest): Promise<AdoptionView> {
    return this.adopting.adopt(actor, id, body);
  }
}
