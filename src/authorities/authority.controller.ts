import { Controller, Delete, Get, HttpCode, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { AuthorityReader } from './authority-reader.js';
import { AuthorityQuery, AuthorityRole, AuthorityView, CreateAuthority, UpdateAuthority } from './authority.schema.js';
import { AuthorityService } from './authority.service.js';
import { RenewAuthority } from './authority-issuer.schema.js';
import { AuthorityRemoval } from './delete-authority.js';
import { AuthorityRenewal } from './renew-authority.js';

@Controller('authorities')
export class AuthorityController {
  constructor(
    private readonly authorities: AuthorityService,
    private readonly reader: AuthorityReader,
    private readonly renewal: AuthorityRenewal,
    private readonly removal: AuthorityRemoval,
  ) {}

  @Get()
  @Requires('authority:read')
  @Summary('List authorities', 'An ordinary user sees those that they made or hold a role of.')
  @Answers(200, pageOf(AuthorityView))
  list(@Who() actor: Actor, @QueryOf(AuthorityQuery) query: AuthorityQuery): Promise<Page<AuthorityView>> {
    return this.reader.list(actor, query);
  }

  @Get(':id')
  @Requires('authority:read')
  @Summary('One authority', 'Not found also when you may not see it.')
  @Answers(200, AuthorityView)
  get(@Who() actor: Actor, @Id() id: number): Promise<AuthorityView> {
    return this.reader.see(actor, id);
  }

  @Get(':id/roles')
  @Requires('authority:read')
  @Summary('The roles of an authority')
  @Answers(200, pageOf(AuthorityRole))
  async roles(@Who() actor: Actor, @Id() id: number): Promise<Page<AuthorityRole>> {
    const items = await this.reader.rolesOf(actor, id);
    return { items, total: items.length };
  }

  @Post()
  @Idempotent()
  @Requires('authority:create')
  @Summary(
    'Make an authority',
    'The private key of a new CA is made here, sealed, and never leaves. A CA elsewhere keeps its own key.',
  )
  @Answers(200, AuthorityView)
  create(@Who() actor: Actor, @JsonBody(CreateAuthority) body: CreateAuthority): Promise<AuthorityView> {
    return this.authorities.create(actor, body);
  }

  @Post(':id/renew')
  @Idempotent()
  @HttpCode(200)
  @Requires('authority:update')
  @Summary(
    'Renew the certificate of an authority whose key is here',
    'With its present key or a new one. It issues with the new certificate from now on; earlier ones and their keys ' +
      'are kept for chains and revocation. Also cross-signs: another authority signs the present key.',
  )
  @Answers(200, AuthorityView)
  async renew(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(RenewAuthority) body: RenewAuthority,
  ): Promise<AuthorityView> {
    await this.renewal.renew(actor, id, body);
    return this.reader.view(id);
  }

  @Delete(':id')
  @HttpCode(200)
  @Requires('authority:create')
  @Summary(
    'Delete an authority on which nothing depends',
    'With its keys. While certificates, authorities or settings refer to it, the answer is 409 with their ids in ' +
      '`reasons`: make it inactive instead, and its revocation goes on.',
  )
  @Answers(200, AuthorityView)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<AuthorityView> {
    const view = await this.reader.see(actor, id);
    await this.removal.remove(actor, id);
    return view;
  }

  @Put(':id')
  @Requires('authority:update')
  @Summary('Change an authority')
  @Answers(200, AuthorityView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(UpdateAuthority) body: UpdateAuthority,
  ): Promise<AuthorityView> {
    return this.authorities.update(actor, id, body);
  }
}
