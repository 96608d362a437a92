import { Controller, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { StoredVerification } from './stored-verification.js';
import { VerifyRequest, VerifyStoredRequest, VerifyView } from './verify.schema.js';
import { VerifyService } from './verify.service.js';
import { verifyView } from './verify.view.js';

/** Routes that verify a certificate: its path to a trusted CA, and whether anything on it is revoked. */
@Controller()
export class VerifyController {
  constructor(
    private readonly service: VerifyService,
    private readonly stored: StoredVerification,
  ) {}

  @Post('verify')
  @Requires('certificate:read')
  @Summary(
    'Verify any certificate',
    'Looks for a path to a trusted CA and validates it (RFC 5280 §6), fetches missing intermediates, and asks the ' +
      'CAs on it by OCSP or CRL whether anything is revoked. Nothing is stored.',
  )
  @Answers(200, VerifyView)
  async verify(@Who() actor: Actor, @JsonBody(VerifyRequest) body: VerifyRequest): Promise<VerifyView> {
    return verifyView(await this.service.verify(actor, body), body.revocation);
  }

  @Post('certificates/:id/verify')
  @Requires('certificate:update')
  @Summary(
    'Verify a certificate that is managed here',
    'As `POST /verify`, with its chain. What its CA says of its revocation is stored and shown with it. When the CA ' +
      'has revoked it, it counts as revoked here from then on.',
  )
  @Answers(200, VerifyView)
  async verifyStored(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(VerifyStoredRequest) body: VerifyStoredRequest,
  ): Promise<VerifyView> {
    return verifyView(await this.stored.verify(actor, id, body), body.revocation);
  }
}
