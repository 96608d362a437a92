import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, RequiresAfterBody, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf, type PageQuery, Removed } from '../platform/http/page.js';
import { ProbeView } from '../platform/plugins/probe.js';
import { DestinationQuery, DestinationRequest, DestinationRole, DestinationView } from './destination.schema.js';
import { DestinationService } from './destination.service.js';

@Controller('destinations')
export class DestinationController {
  constructor(private readonly destinations: DestinationService) {}

  @Get()
  @Requires('destination:read')
  @Summary('List destinations', 'Options are hidden from users who may not deliver there.')
  @Answers(200, pageOf(DestinationView))
  list(@Who() actor: Actor, @QueryOf(DestinationQuery) query: PageQuery): Promise<Page<DestinationView>> {
    return this.destinations.list(actor, query);
  }

  @Get(':id')
  @Requires('destination:read')
  @Summary('One destination', 'Options are hidden from users who may not deliver there.')
  @Answers(200, DestinationView)
  get(@Who() actor: Actor, @Id() id: number): Promise<DestinationView> {
    return this.destinations.get(actor, id);
  }

  @Get(':id/roles')
  @Requires('destination:read')
  @Summary('The roles of a destination', 'Holders of these roles may deliver there.')
  @Answers(200, pageOf(DestinationRole))
  async roles(@Who() actor: Actor, @Id() id: number): Promise<Page<DestinationRole>> {
    const { roles } = await this.destinations.get(actor, id);
    return { items: roles, total: roles.length };
  }

  @Post()
  @Idempotent()
  @RequiresAfterBody('destination:write')
  @Summary('Create a destination')
  @Answers(200, DestinationView)
  create(@Who() actor: Actor, @JsonBody(DestinationRequest) body: DestinationRequest): Promise<DestinationView> {
    return this.destinations.create(actor, body);
  }

  @Put(':id')
  @Requires('destination:write')
  @Summary('Change a destination', 'An absent secret is kept; null clears it.')
  @Answers(200, DestinationView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(DestinationRequest) body: DestinationRequest,
  ): Promise<DestinationView> {
    return this.destinations.update(actor, id, body);
  }

  @Delete(':id')
  @Requires('destination:write')
  @Summary('Delete a destination without deployed certificates')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.destinations.remove(actor, id);
    return { result: true };
  }

  @Post(':id/test')
  @Requires('destination:write')
  @Summary('Test a destination', 'Read-only: changes nothing at the destination.')
  @Answers(200, ProbeView)
  check(@Who() actor: Actor, @Id() id: number): Promise<ProbeView> {
    return this.destinations.check(actor, id);
  }
}
