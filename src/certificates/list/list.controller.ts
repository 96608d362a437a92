import { Controller, Get } from '@nestjs/common';
import { NotificationService } from '../../notifications/notification.service.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, PathText, QueryOf, Summary } from '../../platform/http/contract.js';
import { type Page, pageOf } from '../../platform/http/page.js';
import { CertificateView } from '../certificate.schema.js';
import { CertificateLists } from './certificate-lists.js';
import { CertificateReader } from './certificate-reader.js';
import { CertificatePage, ListQuery, Stats, StatsQuery, ValidQuery } from './list.schema.js';
import { Statistics } from './statistics.js';

/** The route that lists the certificates of a notification. */
@Controller('notifications')
export class NotificationCertificatesController {
  constructor(
    private readonly lists: CertificateLists,
    private readonly notifications: NotificationService,
  ) {}

  @Get(':id/certificates')
  @Requires('certificate:read')
  @Summary('List the certificates of a notification')
  @Answers(200, CertificatePage)
  async list(@Who() actor: Actor, @Id() id: number, @QueryOf(ListQuery) query: ListQuery): Promise<CertificatePage> {
    await this.notifications.get(id);
    return this.lists.list(actor, query, { notificationId: id });
  }
}

/** The route that counts certificates by destination. */
@Controller('destinations')
export class DestinationStatsController {
  constructor(private readonly statistics: Statistics) {}

  @Get('stats')
  @Requires('certificate:read')
  @Summary('Count certificates by destination')
  @Answers(200, Stats)
  stats(): Promise<Stats> {
    return this.statistics.ofDestinations();
  }
}

/** Routes that list, count and read certificates. */
@Controller('certificates')
export class ListController {
  constructor(
    private readonly lists: CertificateLists,
    private readonly reader: CertificateReader,
    private readonly statistics: Statistics,
  ) {}

  @Get()
  @Requires('certificate:read')
  @Summary(
    'List certificates',
    'Newest first. `total` stops at 10,001, and is 10,001 for a text that very many names contain. ' +
      'A text without three letters or digits in a row matches only the beginning of names.',
  )
  @Answers(200, CertificatePage)
  list(@Who() actor: Actor, @QueryOf(ListQuery) query: ListQuery): Promise<CertificatePage> {
    return this.lists.list(actor, query);
  }

  @Get('valid')
  @Requires('certificate:read')
  @Summary(
    'List valid certificates',
    'Neither expired, revoked nor replaced. `filter=cn;…` matches the whole common name; `%` is a wildcard.',
  )
  @Answers(200, pageOf(CertificateView))
  valid(@QueryOf(ValidQuery) query: ValidQuery): Promise<Page<CertificateView>> {
    return this.lists.valid(query);
  }

  @Get('stats')
  @Requires('certificate:read')
  @Summary('Count certificates by a metric')
  @Answers(200, Stats)
  stats(@QueryOf(StatsQuery) { metric }: StatsQuery): Promise<Stats> {
    return this.statistics.of(metric);
  }

  @Get('name/:name')
  @Requires('certificate:read')
  @Summary('Find a certificate by its name', 'A list of one certificate, or an empty list.')
  @Answers(200, pageOf(CertificateView))
  byName(@PathText('name') name: string): Promise<Page<CertificateView>> {
    return this.reader.named(name);
  }

  @Get(':id/replacements')
  @Requires('certificate:read')
  @Summary('List the predecessors and successors of a certificate')
  @Answers(200, pageOf(CertificateView))
  replacements(@Id() id: number): Promise<Page<CertificateView>> {
    return this.reader.replacements(id);
  }

  @Get(':id')
  @Requires('certificate:read')
  @Summary('Read a certificate')
  @Answers(200, CertificateView)
  get(@Id() id: number): Promise<CertificateView> {
    return this.reader.get(id);
  }
}
