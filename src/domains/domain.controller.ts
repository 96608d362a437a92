import { Controller, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { DomainChange, DomainQuery, DomainView, NewDomain } from './domain.schema.js';
import { DomainService } from './domain.service.js';

@Controller('domains')
export class DomainController {
  constructor(private readonly domains: DomainService) {}

  @Get()
  @Requires('domain:read')
  @Summary('List names', 'All that certificates carry, and those that were marked before any did.')
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
  @Requires('domain:write')
  @Summary('Add a name', 'A sensitive one takes an administrator or a role of SENSITIVE_DOMAIN_ROLES.')
  @Answers(200, DomainView)
  create(@Who() actor: Actor, @JsonBody(NewDomain) body: NewDomain): Promise<DomainView> {
    return this.domains.create(actor, body);
  }

  @Put(':id')
  @Requires('domain:write')
  @Summary(
    'Mark a name as sensitive, or no longer',
    'Takes an administrator or a role of SENSITIVE_DOMAIN_ROLES. Certificates that exist stay as they are; the ' +
      'program does not renew one whose names its people may no longer have, and tells the owner.',
  )
  @Answers(200, DomainView)
  update(@Who() actor: Actor, @Id() id: number, @JsonBody(DomainChange) body: DomainChange): Promise<DomainView> {
    return this.domains.update(actor, id, body);
  }
}
