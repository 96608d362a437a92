import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, RequiresAfterBody, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf, Removed } from '../platform/http/page.js';
import { PluginRegistry } from '../platform/plugins/registry.js';
import { ProbeView } from '../platform/plugins/probe.js';
import {
  dnsProviderOption,
  DnsProviderOption,
  DnsProviderQuery,
  DnsProviderRequest,
  DnsProviderView,
} from './dns-provider.schema.js';
import { DnsProviderService } from './dns-provider.service.js';

@Controller('dns_providers')
export class DnsProviderController {
  constructor(private readonly providers: DnsProviderService) {}

  @Get()
  @Requires('dns-provider:read')
  @Summary('List DNS providers', 'DNS services in which issuers prove control of domains (dns-01).')
  @Answers(200, pageOf(DnsProviderView))
  list(@QueryOf(DnsProviderQuery) query: DnsProviderQuery): Promise<Page<DnsProviderView>> {
    return this.providers.list(query);
  }

  @Get(':id')
  @Requires('dns-provider:read')
  @Summary('One DNS provider')
  @Answers(200, DnsProviderView)
  get(@Id() id: number): Promise<DnsProviderView> {
    return this.providers.get(id);
  }

  @Post()
  @Idempotent()
  @RequiresAfterBody('dns-provider:write')
  @Summary('Create a DNS provider')
  @Answers(200, DnsProviderView)
  create(@Who() actor: Actor, @JsonBody(DnsProviderRequest) body: DnsProviderRequest): Promise<DnsProviderView> {
    return this.providers.create(actor, body);
  }

  @Put(':id')
  @Requires('dns-provider:write')
  @Summary('Change a DNS provider', 'An absent secret is kept; null clears it.')
  @Answers(200, DnsProviderView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(DnsProviderRequest) body: DnsProviderRequest,
  ): Promise<DnsProviderView> {
    return this.providers.update(actor, id, body);
  }

  @Delete(':id')
  @Requires('dns-provider:write')
  @Summary('Delete a DNS provider', 'Refused while a record that was published through it is not removed.')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.providers.remove(actor, id);
    return { result: true };
  }

  @Post(':id/test')
  @Requires('dns-provider:write')
  @Summary('Test a DNS provider', 'Read-only: publishes nothing. Reads the zones where the service tells them.')
  @Answers(200, ProbeView)
  check(@Who() actor: Actor, @Id() id: number): Promise<ProbeView> {
    return this.providers.check(actor, id);
  }
}

@Controller('dns_provider_options')
export class DnsProviderOptionsController {
  constructor(private readonly registry: PluginRegistry) {}

  @Get()
  @Requires('dns-provider:read')
  @Summary('The kinds of DNS providers', 'Each with the options that it takes.')
  @Answers(200, pageOf(DnsProviderOption))
  list(): Page<DnsProviderOption> {
    const items = this.registry.list('dns').map(dnsProviderOption);
    return { items, total: items.length };
  }
}
