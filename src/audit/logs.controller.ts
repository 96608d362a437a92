import { Readable } from 'node:stream';
import { Controller, Get, StreamableFile } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, QueryOf, Summary } from '../platform/http/contract.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { AuditRepository } from './audit.repository.js';
import { LogExport } from './log-export.js';
import { LogExportQuery, LogQuery, LogView, logView } from './log.schema.js';

/** The audit log, for auditors and administrators. */
@Controller('logs')
export class LogsController {
  constructor(
    private readonly db: Database,
    private readonly events: AuditRepository,
    private readonly exports: LogExport,
  ) {}

  @Get()
  @Requires('audit:read')
  @Summary(
    'List audit events',
    'Newest first. `filter` takes logType, targetType, targetId, username, address, requestId, `user.email` or ' +
      '`certificate.name`, and a whole value; `logType` also the five kinds that Lemur knows, such as ' +
      '`create_cert`.',
  )
  @Answers(200, pageOf(LogView))
  async list(@QueryOf(LogQuery) query: LogQuery): Promise<Page<z.output<typeof LogView>>> {
    const page = await this.events.list(this.db.single, query);
    return { ...page, items: page.items.map(logView) };
  }

  @Get('export')
  @Requires('audit:read')
  @Summary('Write the log out', 'Oldest first, as a stream, however long. Is itself an event of the log.')
  @Answers(200, null, { types: ['application/x-ndjson', 'text/csv'] })
  async export(@Who() actor: Actor, @QueryOf(LogExportQuery) query: LogExportQuery): Promise<StreamableFile> {
    const type = query.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson';
    const lines = Readable.from(await this.exports.lines(actor, query), { objectMode: false });
    return new StreamableFile(lines, { type, disposition: `attachment; filename="audit-log.${query.format}"` });
  }
}
