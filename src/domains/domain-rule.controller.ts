import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf, type PageQuery } from '../platform/http/page.js';
import { DomainRuleQuery, DomainRuleRequest, DomainRuleView } from './domain-rule.schema.js';
import { DomainRuleService } from './domain-rule.service.js';

@Controller('domain-rules')
export class DomainRuleController {
  constructor(private readonly rules: DomainRuleService) {}

  @Get()
  @Requires('domain:read')
  @Summary(
    'List domain rules',
    'An authority without rules issues for any name. An authority with rules issues only for names that a rule ' +
      'grants to a role of the requester or to everyone.',
  )
  @Answers(200, pageOf(DomainRuleView))
  list(@QueryOf(DomainRuleQuery) query: PageQuery): Promise<Page<DomainRuleView>> {
    return this.rules.list(query);
  }

  @Get(':id')
  @Requires('domain:read')
  @Summary('One domain rule')
  @Answers(200, DomainRuleView)
  get(@Id() id: number): Promise<DomainRuleView> {
    return this.rules.get(id);
  }

  @Post()
  @Idempotent()
  @Requires('domain-rule:write')
  @Summary(
    'Grant names to a role',
    'The first rule limits issuing to granted names. The roles admin and global_cert_issuer are exempt.',
  )
  @Answers(200, DomainRuleView)
  create(@Who() actor: Actor, @JsonBody(DomainRuleRequest) body: DomainRuleRequest): Promise<DomainRuleView> {
    return this.rules.create(actor, body);
  }

  @Put(':id')
  @Requires('domain-rule:write')
  @Summary('Change a domain rule')
  @Answers(200, DomainRuleView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(DomainRuleRequest) body: DomainRuleRequest,
  ): Promise<DomainRuleView> {
    return this.rules.update(actor, id, body);
  }

  @Delete(':id')
  @Requires('domain-rule:write')
  @Summary('Delete a domain rule', 'Deleting the last rule of an authority lifts its limit.')
  @Answers(204, null)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<void> {
    await this.rules.remove(actor, id);
  }
}
