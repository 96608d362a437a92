import { Controller, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { RevokedView, RevokeRequest } from './revoke.schema.js';
import { DeactivateService } from './deactivate.service.js';
import { RevokeService } from './revoke.service.js';

@Controller('certificates')
export class RevokeController {
  constructor(
    private readonly revocation: RevokeService,
    private readonly deactivation: DeactivateService,
  ) {}

  @Put(':id/revoke')
  @Requires('certificate:revoke')
  @Summary(
    'Revoke a certificate',
    'It leaves rotation and notification. Where it rotates and is deployed, a successor with a new key is issued and ' +
      'delivered, unless `replace` is false; then it is removed from wherever it was delivered. What it was to ' +
      'replace itself is in force again. One that is not issued yet is cancelled.',
  )
  @Answers(200, RevokedView)
  async revoke(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(RevokeRequest) body: RevokeRequest,
  ): Promise<{ id: number }> {
    await this.revocation.revoke(actor, id, body);
    return { id };
  }

  @Put(':id/deactivate')
  @Requires('certificate:revoke')
  @Summary(
    'Tell the issuer that a certificate is out of use',
    'Only where the issuer has such a thing; nothing else changes, the certificate stays valid.',
  )
  @Answers(200, RevokedView)
  async deactivate(@Who() actor: Actor, @Id() id: number): Promise<{ id: number }> {
    await this.deactivation.deactivate(actor, id);
    return { id };
  }
}
