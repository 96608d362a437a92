import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf, type PageQuery } from '../platform/http/page.js';
import { PolicyQuery, PolicyRequest, PolicyView } from './policy.schema.js';
import { Policies } from './policies.js';

@Controller('policies')
export class PolicyController {
  constructor(private readonly policies: Policies) {}

  @Get()
  @Requires('policy:read')
  @Summary('List rotation policies')
  @Answers(200, pageOf(PolicyView))
  list(@QueryOf(PolicyQuery) query: PageQuery): Promise<Page<PolicyView>> {
    return this.policies.list(query);
  }

  @Get(':id')
  @Requires('policy:read')
  @Summary('One rotation policy')
  @Answers(200, PolicyView)
  get(@Id() id: number): Promise<PolicyView> {
    return this.policies.get(id);
  }

  @Post()
  @Idempotent()
  @Requires('policy:write')
  @Summary('Create a rotation policy')
  @Answers(200, PolicyView)
  create(@Who() actor: Actor, @JsonBody(PolicyRequest) body: PolicyRequest): Promise<PolicyView> {
    return this.policies.create(actor, body);
  }

  @Put(':id')
  @Requires('policy:write')
  @Summary('Change a rotation policy', 'Recomputes the renewal date of every certificate of the policy.')
  @Answers(200, PolicyView)
  update(@Who() actor: Actor, @Id() id: number, @JsonBody(PolicyRequest) body: PolicyRequest): Promise<PolicyView> {
    return this.policies.update(actor, id, body);
  }

  @Delete(':id')
  @Requires('policy:write')
  @Summary('Delete an unused rotation policy')
  @Answers(204, null)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<void> {
    await this.policies.remove(actor, id);
  }
}
