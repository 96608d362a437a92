import { Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, QueryOf, Summary } from '../../platform/http/contract.js';
import { instant, instantOrNull, InstantOut } from '../../platform/http/instant.js';
import { type Page, pageOf } from '../../platform/http/page.js';
import { queryBoolean } from '../../platform/http/query.js';
import { sourceSeenBy, SourceView } from '../../sources/source.schema.js';
import { SourceService } from '../../sources/source.service.js';
import { CertificateRepository } from '../certificate.repository.js';
import { CleanService, CleanView } from './clean.service.js';
import { FindingQuery, FindingView } from './finding.schema.js';
import { FindingList } from './finding-list.js';
import { SourceLinkRepository } from './source-link.repository.js';

const CleanQuery = z.strictObject({
  dryRun: queryBoolean()
    .optional()
    .meta({ description: 'Default true: only lists the certificates that would be removed.' }),
});

const CertificateSourceView = SourceView.pick({
  id: true,
  label: true,
  description: true,
  active: true,
  plugin: true,
  options: true,
  lastRun: true,
})
  .extend({
    locations: z
      .array(
        z.object({
          location: z.string(),
          externalId: z.string().nullable(),
          seenAt: InstantOut,
          staleSince: InstantOut.nullable(),
        }),
      )
      .meta({ description: 'Where at the source it was found.' }),
  })
  .meta({ id: 'CertificateSource' });
type CertificateSourceView = z.output<typeof CertificateSourceView>;

/** The routes for what a source has found. */
@Controller('sources')
export class FoundController {
  constructor(
    private readonly cleaning: CleanService,
    private readonly findings: FindingList,
  ) {}

  @Get(':id/findings')
  @Requires('source:read')
  @Summary('The findings of a source', 'Which certificates it has found, where and when, stale ones included.')
  @Answers(200, pageOf(FindingView))
  list(@Id() id: number, @QueryOf(FindingQuery) query: FindingQuery): Promise<Page<FindingView>> {
    return this.findings.of(id, query);
  }

  @Post(':id/clean')
  @Requires('source:write')
  @Summary(
    'Remove expired certificates at a source',
    'Only those that no endpoint serves and no delivery uses. A dry run unless `dryRun=false`.',
  )
  @Answers(200, CleanView)
  clean(
    @Who() actor: Actor,
    @Id() id: number,
    @QueryOf(CleanQuery) { dryRun }: z.output<typeof CleanQuery>,
  ): Promise<CleanView> {
    return this.cleaning.clean(actor, id, dryRun ?? true);
  }
}

/** The route that lists the sources at which a certificate was found. */
@Controller('certificates')
export class CertificateSourcesController {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly links: SourceLinkRepository,
    private readonly sources: SourceService,
  ) {}

  @Get(':id/sources')
  @Requires('source:read')
  @Summary('The sources at which a certificate was found')
  @Answers(200, pageOf(CertificateSourceView))
  async of(@Who() actor: Actor, @Id() id: number): Promise<Page<CertificateSourceView>> {
    await this.certificates.get(this.db.single, id);
    const found = await this.links.of(this.db.single, id);
    const ids = [...new Set(found.map(({ sourceId }) => sourceId))];
    const sources = (await this.sources.getMany(ids)).map((view) => sourceSeenBy(actor, view));
    const items = sources.map(({ id: sourceId, label, description, active, plugin, options, lastRun }) => ({
      id: sourceId,
      label,
      description,
      active,
      plugin,
      options,
      lastRun,
      locations: found
        .filter((one) => one.sourceId === sourceId)
        .map(({ location, externalId, seenAt, staleSince }) => ({
          location,
          externalId,
          seenAt: instant(seenAt),
          staleSince: instantOrNull(staleSince),
        })),
    }));
    return { items, total: items.length };
  }
}
