import { Controller, Get } from '@nestjs/common';
import { Requires } from '../../platform/http/actor.js';
import { Answers, Id, PathText, QueryOf, Summary } from '../../platform/http/contract.js';
import { type Page, pageOf } from '../../platform/http/page.js';
import { type CertificateBriefView, CertificateView } from '../certificate.view.js';
import { CertificateReader } from './certificate-reader.js';
import { CertificatePage, ListQuery } from './list.schema.js';

@Controller('notifications')
export class NotificationCertificatesController {
  constructor(private readonly reader: CertificateReader) {}

  @Get(':id/certificates') @Requires('certificate:read') @Summary('The certificates that a notification warns about') @Answers(200, CertificatePage)
  list(@Id() id: number, @QueryOf(ListQuery) query: ListQuery): Promise<Page<CertificateView | CertificateBriefView>> {
    return this.reader.list(query, { notificationId: id });
  }
}

@Controller('certificates')
export class ListController {
  constructor(private readonly reader: CertificateReader) {}

  @Get() @Requires('certificate:read') @Summary('List certificates', '`total` stops counting at 10,001.') @Answers(200, CertificatePage)
  list(@QueryOf(ListQuery) query: ListQuery): Promise<Page<CertificateView | CertificateBriefView>> {
    return this.reader.list(query);
  }

  @Get('name/:name') @Requires('certificate:read') @Summary('One certificate by its name') @Answers(200, CertificateView)
  byName(@PathText('name') name: string): Promise<CertificateView> {
    return this.reader.getByName(name);
  }

  @Get(':id/replacements') @Requires('certificate:read') @Summary('What a certificate replaces, and what replaces it')
  @Answers(200, pageOf(CertificateView))
  replacements(@Id() id: number): Promise<Page<CertificateView>> {
    return this.reader.replacements(id);
  }

  @Get(':id') @Requires('certificate:read') @Summary('One certificate') @Answers(200, CertificateView)
  get(@Id() id: number): Promise<CertificateView> {
    return this.reader.get(id);
  }
}
