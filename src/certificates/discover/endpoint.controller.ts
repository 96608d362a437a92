import { Controller, Get } from '@nestjs/common';
import { Requires } from '../../platform/http/actor.js';
import { Answers, Id, QueryOf, Summary } from '../../platform/http/contract.js';
import { type Page, pageOf } from '../../platform/http/page.js';
import type { EndpointSelection } from '../../sources/endpoint.repository.js';
import { EndpointReader } from './endpoint-reader.js';
import { EndpointQuery, EndpointView } from './endpoint.schema.js';

/** Routes of endpoints. Read-only: the scans of sources write the endpoints. */
@Controller('endpoints')
export class EndpointController {
  constructor(private readonly endpoints: EndpointReader) {}

  @Get()
  @Requires('endpoint:read')
  @Summary('List endpoints')
  @Answers(200, pageOf(EndpointView))
  list(@QueryOf(EndpointQuery) query: EndpointSelection): Promise<Page<EndpointView>> {
    return this.endpoints.list(query);
  }

  @Get(':id')
  @Requires('endpoint:read')
  @Summary('One endpoint')
  @Answers(200, EndpointView)
  get(@Id() id: number): Promise<EndpointView> {
    return this.endpoints.get(id);
  }
}
