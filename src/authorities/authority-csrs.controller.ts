import { Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { AuthorityReader } from './authority-reader.js';
import { AuthorityView } from './authority.schema.js';
import { AuthorityCertificate, AuthorityCsrView, CreateAuthorityCsr, RenewalCsr } from './authority-csr.schema.js';
import { AuthorityCsrs } from './authority-csrs.js';

@Controller('authorities')
export class AuthorityCsrsController {
  constructor(
    private readonly csrs: AuthorityCsrs,
    private readonly reader: AuthorityReader,
  ) {}

  @Get('csrs')
  @Requires('authority:update')
  @Summary('The certificate requests of authorities that wait for a CA elsewhere', 'An ordinary user sees their own.')
  @Answers(200, pageOf(AuthorityCsrView))
  async list(@Who() actor: Actor): Promise<Page<AuthorityCsrView>> {
    const items = await this.csrs.list(actor);
    return { items, total: items.length };
  }

  @Post('csrs')
  @Idempotent()
  @Requires('authority:create')
  @Summary(
    'Make the key and the certificate request of an authority that a CA elsewhere signs',
    'The authority is made, and issues, when its certificate arrives.',
  )
  @Answers(200, AuthorityCsrView)
  create(@Who() actor: Actor, @JsonBody(CreateAuthorityCsr) body: CreateAuthorityCsr): Promise<AuthorityCsrView> {
    return this.csrs.create(actor, body);
  }

  @Get('csrs/:id')
  @Requires('authority:update')
  @Summary('One certificate request of an authority')
  @Answers(200, AuthorityCsrView)
  get(@Who() actor: Actor, @Id() id: number): Promise<AuthorityCsrView> {
    return this.csrs.see(actor, id);
  }

  @Post('csrs/:id/certificate')
  @HttpCode(200)
  @Requires('authority:update')
  @Summary('Hand in the certificate that a CA elsewhere has signed', 'Its key, name and chain must fit the request.')
  @Answers(200, AuthorityView)
  async certify(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(AuthorityCertificate) body: AuthorityCertificate,
  ): Promise<AuthorityView> {
    return this.reader.view(await this.csrs.certify(actor, id, body));
  }

  @Delete('csrs/:id')
  @Requires('authority:update')
  @Summary('Drop a certificate request of an authority', 'With its key, unless the authority has it already.')
  @Answers(200, AuthorityCsrView)
  drop(@Who() actor: Actor, @Id() id: number): Promise<AuthorityCsrView> {
    return this.csrs.drop(actor, id);
  }

  @Post(':id/csr')
  @Idempotent()
  @Requires('authority:update')
  @Summary('Make a certificate request for an authority that a CA elsewhere is to renew')
  @Answers(200, AuthorityCsrView)
  renew(@Who() actor: Actor, @Id() id: number, @JsonBody(RenewalCsr) body: RenewalCsr): Promise<AuthorityCsrView> {
    return this.csrs.renew(actor, id, body);
  }
}
