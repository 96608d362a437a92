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

@Controller('notifications')
export class NotificationCertificatesController {
  constructor(
    private readonly lists: CertificateLists,
    private readonly notifications: NotificationService,
  ) {}

  @Get(':id/certificates')
  @Requires('certificate:read')
  @Summary('The certificates that a notification warns about')
  @Answers(200, CertificatePage)
  async list(@Who() actor: Actor, @Id() id: number, @QueryOf(ListQuery) query: ListQuery): Promise<CertificatePage> {
    await this.notifications.get(id);
    return this.lists.list(actor, query, { notificationId: id });
  }
}

@Controller('destinations')
export class DestinationStatsController {
  constructor(private readonly statistics: Statistics) {}

  @Get('stats')
  @Requires('certificate:read')
  @Summary('How many certificates there are at each destination')
  @Answers(200, Stats)
  stats(): Promise<Stats> {
    return this.statistics.ofDestinations();
  }
}

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
    'Newest first. `total` stops counting at 10,001, and is 10,001 for a word that very many names hold. A ' +
      'word without three letters or digits in a row is looked for at the beginning of names.',
  )
  @Answers(200, CertificatePage)
  list(@Who() actor: Actor, @QueryOf(ListQuery) query: ListQuery): Promise<CertificatePage> {
    return this.lists.list(actor, query);
  }

  @Get('valid')
  @Requires('certificate:read')
  @Summary(
    'List certificates in force',
    'Neither expired nor revoked nor replaced. `filter=cn;…` is the whole common ' +
      'name, in which `%` stands for any text.',
  )
  @Answers(200, pageOf(CertificateView))
  valid(@QueryOf(ValidQuery) query: ValidQuery): Promise<Page<CertificateView>> {
    return this.lists.valid(query);
  }

  @Get('stats')
  @Requires('certificate:read')
  @Summary('How many certificates there are of each kind')
  @Answers(200, Stats)
  stats(@QueryOf(StatsQuery) { metric }: StatsQuery): Promise<Stats> {
    return this.statistics.of(metric);
  }

  @Get('name/:name')
  @Requires('certificate:read')
  @Summary('The certificate of a name', 'A list of one, or of none.')
  @Answers(200, pageOf(CertificateView))
  byName(@PathText('name') name: string): Promise<Page<CertificateView>> {
    return this.reader.named(name);
  }

  @Get(':id/replacements')
  @Requires('certificate:read')
  @Summary('What a certificate replaces, and what replaces it')
  @Answers(200, pageOf(CertificateView))
  replacements(@Id() id: number): Promise<Page<CertificateView>> {
    return this.reader.replacements(id);
  }

  @Get(':id')
  @Requires('certificate:read')
  @Summary('One certificate')
  @Answers(200, CertificateView)
  get(@Id() id: number): Promise<CertificateView> {
    return this.reader.get(id);
  }
}
