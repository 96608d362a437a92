import { Controller, Delete, Get, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { Removed } from '../../platform/http/page.js';
import { FilterRequest, FilterView } from './destination-filter.schema.js';
import { DestinationFilters } from './destination-filter.service.js';

@Controller('destinations/:id/filter')
export class DestinationFilterController {
  constructor(private readonly filters: DestinationFilters) {}

  @Get()
  @Requires('destination:read')
  @Summary('The filter of a destination', 'Which certificates join it without being attached.')
  @Answers(200, FilterView)
  get(@Who() actor: Actor, @Id() id: number): Promise<FilterView> {
    return this.filters.get(actor, id);
  }

  @Put()
  @Requires('destination:write')
  @Summary(
    'Set the filter of a destination',
    'Certificates that match join now, and new ones when they are issued, if who set the filter could attach them by ' +
      'hand at that moment. What no longer matches stays: its deliveries show `"matches": false`.',
  )
  @Answers(200, FilterView)
  set(@Who() actor: Actor, @Id() id: number, @JsonBody(FilterRequest) body: FilterRequest): Promise<FilterView> {
    return this.filters.set(actor, id, body);
  }

  @Delete()
  @Requires('destination:write')
  @Summary('Remove the filter of a destination', 'What has joined stays.')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.filters.remove(actor, id);
    return { result: true };
  }
}
