import { Controller, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { AuthorityRevocation } from './authority-revocation.service.js';
import { RevokeAuthority, RevokedView } from './revoke.schema.js';

@Controller('authorities')
export class AuthorityRevocationController {
  constructor(private readonly revocation: AuthorityRevocation) {}

  @Put(':id/revoke')
  @Requires('authority:update')
  @Summary(
    'Revoke a subordinate CA',
    'Its certificates are listed within seconds in the CRL of its parent and of each authority that has signed it ' +
      'too, and it issues nothing any more. The right to change all of these is needed. What it issued stays as ' +
      'it is here, but clients refuse it from then on.',
  )
  @Answers(200, RevokedView)
  async revoke(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(RevokeAuthority) body: RevokeAuthority,
  ): Promise<{ id: number }> {
    await this.revocation.revoke(actor, id, body);
    return { id };
  }
}
