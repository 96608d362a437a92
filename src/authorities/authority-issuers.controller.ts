import { Controller, Get, HttpCode, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { AddIssuer, AuthorityIssuerView, ChooseIssuer } from './authority-issuer.schema.js';
import { AuthorityIssuers } from './authority-issuers.js';

@Controller('authorities/:id/issuers')
export class AuthorityIssuersController {
  constructor(private readonly issuers: AuthorityIssuers) {}

  @Get()
  @Requires('authority:read')
  @Summary(
    'The certificates that an authority issues with',
    'Its own first; then those from before a renewal, and alternates.',
  )
  @Answers(200, pageOf(AuthorityIssuerView))
  async list(@Who() actor: Actor, @Id() id: number): Promise<Page<AuthorityIssuerView>> {
    return page(await this.issuers.list(actor, id));
  }

  @Post()
  @Idempotent()
  @HttpCode(200)
  @Requires('authority:update')
  @Summary(
    'Add a certificate that an authority issues with',
    'For a CA that exists elsewhere; where the key is here, another CA has signed that key: an alternate chain.',
  )
  @Answers(200, pageOf(AuthorityIssuerView))
  async upload(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(AddIssuer) body: AddIssuer,
  ): Promise<Page<AuthorityIssuerView>> {
    return page(await this.issuers.upload(actor, id, body));
  }

  @Put('current')
  @Requires('authority:update')
  @Summary('Choose the certificate that an authority issues with', 'Its chain is the one that certificates get.')
  @Answers(200, pageOf(AuthorityIssuerView))
  async choose(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(ChooseIssuer) body: ChooseIssuer,
  ): Promise<Page<AuthorityIssuerView>> {
    return page(await this.issuers.choose(actor, id, body));
  }

  @Post('refresh')
  @HttpCode(200)
  @Requires('authority:update')
  @Summary('Ask the CA for the certificates that it issues with, and add new ones', 'This is done every hour, too.')
  @Answers(200, pageOf(AuthorityIssuerView))
  async refresh(@Who() actor: Actor, @Id() id: number): Promise<Page<AuthorityIssuerView>> {
    return page(await this.issuers.ask(actor, id));
  }
}

function page(items: AuthorityIssuerView[]): Page<AuthorityIssuerView> {
  return { items, total: items.length };
}
