import { Controller, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { DomainChange, DomainQuery, DomainView, NewDomain } from './domain.schema.js';
import { DomainService } from './domain.service.js';

@Controller('domains')
export class DomainController {
  constructor(private readonly domains: DomainService) {}

  @Get()
  @Requires('domain:read')
  @Summary('List names', 'Names that certificates carry, and names that were added by hand.')
  @Answers(200, pageOf(DomainView))
  list(@QueryOf(DomainQuery) query: DomainQuery): Promise<Page<DomainView>> {
    return this.domains.list(query);
  }

  @Get(':id')
  @Requires('domain:read')
  @Summary('One name')
  @Answers(200, DomainView)
  get(@Id() id: number): Promise<DomainView> {
    return this.domains.get(id);
  }

  @Post()
  @Idempotent()
  @Requires('domain:write')
  @Summary('Add a name', 'A sensitive name requires an administrator or a role of SENSITIVE_DOMAIN_ROLES.')
  @Answers(200, DomainView)
  create(@Who() actor: Actor, @JsonBody(NewDomain) body: NewDomain): Promise<DomainView> {
    return this.domains.create(actor, body);
  }

  @Put(':id')
  @Requires('domain:write')
  @Summary(
    'Change whether a name is sensitive',
    'Requires an administrator or a role of SENSITIVE_DOMAIN_ROLES. Existing certificates stay valid. A certificate ' +
      'is no longer renewed when nobody responsible for it may have its names; its owner is told.',
  )
  @Answers(200, DomainView)
  update(@Who() actor: Actor, @Id() id: number, @JsonBody(DomainChange) body: DomainChange): Promise<DomainView> {
    return this.domains.update(actor, id, body);
  }
}
