import { Controller, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { RevokedView, RevokeRequest } from './revoke.schema.js';
import { RevokeService } from './revoke.service.js';

@Controller('certificates')
export class RevokeController {
  constructor(private readonly revocation: RevokeService) {}

  @Put(':id/revoke') @Requires('certificate:revoke')
  @Summary('Revoke a certificate', 'It leaves rotation and notification; deliveries that have not arrived are stopped. One that is not issued yet is cancelled.') @Answers(200, RevokedView)
  async revoke(@Who() actor: Actor, @Id() id: number, @JsonBody(RevokeRequest) body: RevokeRequest): Promise<{ id: number }> {
    await this.revocation.revoke(actor, id, body);
    return { id };
  }
}
