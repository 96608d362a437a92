import { Controller, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { HoldService } from './hold.service.js';
import { HoldBody, RevokedView, RevokeRequest } from './revoke.schema.js';
import { DeactivateService } from './deactivate.service.js';
import { RevokeService } from './revoke.service.js';

/** Routes that revoke, hold, release and deactivate a certificate. */
@Controller('certificates')
export class RevokeController {
  constructor(
    private readonly revocation: RevokeService,
    private readonly deactivation: DeactivateService,
    private readonly holding: HoldService,
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

  @Put(':id/hold')
  @Requires('certificate:revoke')
  @Summary(
    'Put a certificate on hold at the CA',
    'Revoked for the time being, where the issuer has such a thing. A job tells the CA; nothing else changes here.',
  )
  @Answers(200, RevokedView)
  async hold(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(HoldBody) { comments }: HoldBody,
  ): Promise<{ id: number }> {
    await this.holding.ask(actor, id, 'hold', comments);
    return { id };
  }

  @Put(':id/release')
  @Requires('certificate:revoke')
  @Summary('Make a certificate on hold valid again at the CA', 'A job tells the CA.')
  @Answers(200, RevokedView)
  async release(@Who() actor: Actor, @Id() id: number): Promise<{ id: number }> {
    await this.holding.ask(actor, id, 'release');
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
