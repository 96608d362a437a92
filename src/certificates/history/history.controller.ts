import { Controller, Get } from '@nestjs/common';
import { AuditRepository } from '../../audit/audit.repository.js';
import { Database } from '../../platform/db/database.js';
import { Requires } from '../../platform/http/actor.js';
import { Answers, Id, QueryOf, Summary } from '../../platform/http/contract.js';
import { CertificateRepository } from '../certificate.repository.js';
import { eventView, HistoryQuery, HistoryView, lineView } from './history.schema.js';

@Controller('certificates')
export class HistoryController {
  constructor(
    private readonly db: Database,
    private readonly events: AuditRepository,
    private readonly certificates: CertificateRepository,
  ) {}

  @Get(':id/history')
  @Requires('certificate:read')
  @Summary(
    'What happened to a certificate',
    'Everything that was done to it and became of it, newest first, and the certificates before and after it.',
  )
  @Answers(200, HistoryView)
  history(@Id() id: number, @QueryOf(HistoryQuery) query: HistoryQuery): Promise<HistoryView> {
    return this.db.read(async (tx) => {
      await this.certificates.get(tx, id);
      const [line, { items, next }] = [
        await this.certificates.lineOf(tx, id),
        await this.events.ofTarget(tx, 'certificate', id, query),
      ];
      return { line: line.map(lineView), items: items.map(eventView), ...(next !== undefined && { next }) };
    });
  }
}
