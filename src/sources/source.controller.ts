import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, RequiresAfterBody, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf, type PageQuery, Removed } from '../platform/http/page.js';
import { ProbeView } from '../platform/plugins/probe.js';
import { SourceQuery, SourceRequest, sourceSeenBy, SourceView, SyncQuery, SyncView } from './source.schema.js';
import { SourceService } from './source.service.js';
import { SourceSyncs } from './source-syncs.js';
import { SourceTargets } from './source-targets.js';
import { SourceOfTargetsRequest, TargetsRequest, TargetsView } from './source-targets.schema.js';

@Controller('sources')
export class SourceController {
  constructor(
    private readonly sources: SourceService,
    private readonly syncing: SourceSyncs,
    private readonly targets: SourceTargets,
  ) {}

  @Get()
  @Requires('source:read')
  @Summary('List sources', 'The options are shown to the owner, and to users who may read everything.')
  @Answers(200, pageOf(SourceView))
  async list(@Who() actor: Actor, @QueryOf(SourceQuery) query: SourceQuery): Promise<Page<SourceView>> {
    const page = await this.sources.list(query);
    return { ...page, items: page.items.map((view) => sourceSeenBy(actor, view)) };
  }

  @Get(':id')
  @Requires('source:read')
  @Summary('One source')
  @Answers(200, SourceView)
  async get(@Who() actor: Actor, @Id() id: number): Promise<SourceView> {
    return sourceSeenBy(actor, await this.sources.get(id));
  }

  @Post()
  @Idempotent()
  @RequiresAfterBody('source:write')
  @Summary('Create a source', 'The first scan starts within a minute.')
  @Answers(200, SourceView)
  create(@Who() actor: Actor, @JsonBody(SourceRequest) body: SourceRequest): Promise<SourceView> {
    return this.sources.create(actor, body);
  }

  @Post('targets')
  @Idempotent()
  @Requires('source:write')
  @Summary(
    'Create a source from a table',
    'As POST /sources; a CSV text has the hosts, or what else the option of the plugin lists. Each target counts once.',
  )
  @Answers(200, TargetsView)
  createOfTargets(
    @Who() actor: Actor,
    @JsonBody(SourceOfTargetsRequest) body: SourceOfTargetsRequest,
  ): Promise<TargetsView> {
    return this.targets.create(actor, body);
  }

  @Post(':id/targets')
  @Idempotent()
  @Requires('source:write')
  @Summary(
    'Add the targets of a table to a source',
    'A CSV text has one target on each line. What the source has already is not added again, so that the request ' +
      'can be repeated. All lines that are wrong are named, and then nothing is added.',
  )
  @Answers(200, TargetsView)
  addTargets(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(TargetsRequest) body: TargetsRequest,
  ): Promise<TargetsView> {
    return this.targets.addTo(actor, id, body);
  }

  @Put(':id')
  @Requires('source:write')
  @Summary('Change a source', 'A secret that is left out is kept; null clears it.')
  @Answers(200, SourceView)
  update(@Who() actor: Actor, @Id() id: number, @JsonBody(SourceRequest) body: SourceRequest): Promise<SourceView> {
    return this.sources.update(actor, id, body);
  }

  @Delete(':id')
  @Requires('source:write')
  @Summary('Delete a source', 'Deletes its endpoints too, and keeps the certificates that it found.')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.sources.remove(actor, id);
    return { result: true };
  }

  @Post(':id/test')
  @Requires('source:write')
  @Summary('Test a source', 'Changes nothing at the source, and imports nothing.')
  @Answers(200, ProbeView)
  check(@Who() actor: Actor, @Id() id: number): Promise<ProbeView> {
    return this.sources.check(actor, id);
  }

  @Post(':id/sync')
  @Requires('source:sync')
  @Summary('Scan a source now', 'Answers at once; GET /sources/{id}/syncs shows the progress.')
  @Answers(202, SyncView)
  sync(@Who() actor: Actor, @Id() id: number): Promise<SyncView> {
    return this.syncing.sync(actor, id);
  }

  @Get(':id/syncs')
  @Requires('source:read')
  @Summary('The syncs of a source', 'Newest first; the last fifty are kept.')
  @Answers(200, pageOf(SyncView))
  syncs(@Id() id: number, @QueryOf(SyncQuery) query: PageQuery): Promise<Page<SyncView>> {
    return this.syncing.list(id, query);
  }
}
