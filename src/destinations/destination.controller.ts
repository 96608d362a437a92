import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, RequiresAfterBody, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { type Page, pageOf, type PageQuery, Removed } from '../platform/http/page.js';
import { ProbeView } from '../platform/plugins/probe.js';
import { DestinationQuery, DestinationRequest, DestinationView } from './destination.schema.js';
import { DestinationService } from './destination.service.js';

@Controller('destinations')
export class DestinationController {
  constructor(private readonly destinations: DestinationService) {}

  @Get()
  @Requires('destination:read')
  @Summary('List destinations')
  @Answers(200, pageOf(DestinationView))
  list(@QueryOf(DestinationQuery) query: PageQuery): Promise<Page<DestinationView>> {
    return this.destinations.list(query);
  }

  @Get(':id')
  @Requires('destination:read')
  @Summary('One destination')
  @Answers(200, DestinationView)
  get(@Id() id: number): Promise<DestinationView> {
    return this.destinations.get(id);
  }

  @Post()
  @RequiresAfterBody('destination:write')
  @Summary('Make a destination')
  @Answers(200, DestinationView)
  create(@Who() actor: Actor, @JsonBody(DestinationRequest) body: DestinationRequest): Promise<DestinationView> {
    return this.destinations.create(actor, body);
  }

  @Put(':id')
  @Requires('destination:write')
  @Summary('Change a destination', 'A secret that is not named stays; one that is null is cleared.')
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
  @Summary('Delete a destination that nothing is delivered to')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.destinations.remove(actor, id);
    return { result: true };
  }

  @Post(':id/test')
  @Requires('destination:write')
  @Summary('Try a destination out', 'Changes nothing there.')
  @Answers(200, ProbeView)
  check(@Who() actor: Actor, @Id() id: number): Promise<ProbeView> {
    return this.destinations.check(actor, id);
  }
}
