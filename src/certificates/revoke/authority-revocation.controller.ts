import { Controller, HttpCode, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { AuthorityRevocation } from './authority-revocation.service.js';
import { RevocationImport } from './revocation-import.service.js';
import { ImportedRevocationsView, ImportRevocations, RevokeAuthority, RevokedView } from './revoke.schema.js';

@Controller('authorities')
export class AuthorityRevocationController {
  constructor(
    private readonly revocation: AuthorityRevocation,
    private readonly imports: RevocationImport,
  ) {}

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

  @Post(':id/revocations')
  @HttpCode(200)
  @Requires('authority:update')
  @Summary(
    'Take over what a CA has revoked elsewhere',
    'Takes the CRL of a CA that was imported with its key. Its entries are in the CRLs that are made here from then ' +
      'on, whose numbers go on above. The same CRL a second time changes nothing. The command line ' +
      '(`perennial import-crl`) takes CRLs of any size.',
  )
  @Answers(200, ImportedRevocationsView)
  importCrl(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(ImportRevocations) { crl }: ImportRevocations,
  ): Promise<ImportedRevocationsView> {
    return this.imports.run(actor, id, crlOf(crl));
  }
}

/** From PEM or base64. */
function crlOf(text: string): Buffer {
  return text.includes('-----BEGIN') ? Buffer.from(text, 'latin1') : Buffer.from(text, 'base64');
}
