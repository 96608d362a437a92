import { Readable } from 'node:stream';
import { Controller, Get, StreamableFile } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, QueryOf, Summary } from '../platform/http/contract.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { AuditRepository } from './audit.repository.js';
import { LogExport } from './log-export.js';
import { LogDetails } from './log-details.js';
import { LogEntryView, logEntryView, LogExportQuery, LogQuery } from './log.schema.js';

/** The audit log, for auditors and administrators. */
@Controller('logs')
export class LogsController {
  constructor(
    private readonly db: Database,
    private readonly events: AuditRepository,
    private readonly exports: LogExport,
    private readonly details: LogDetails,
  ) {}

  @Get()
  @Requires('audit:read')
  @Summary(
    'List audit events',
    'Newest first. `filter` takes logType, targetType, targetId, username, address or requestId with the whole ' +
      'value, or `user.email` or `certificate.name` with a part of it. `logType` also takes the five types of ' +
      'Lemur, e.g. `create_cert`.',
  )
  @Answers(200, pageOf(LogEntryView))
  async list(@QueryOf(LogQuery) query: LogQuery): Promise<Page<LogEntryView>> {
    const tx = this.db.single;
    const page = await this.events.list(tx, query);
    const certificateIds = page.items.flatMap(({ targetType, targetId }) =>
      targetType === 'certificate' && /^\d{1,9}$/.test(targetId) ? Number(targetId) : [],
    );
    const shown = {
      users: await this.details.of(
        tx,
        'user',
        page.items.flatMap(({ actorUserId }) => actorUserId ?? []),
      ),
      certificates: await this.details.of(tx, 'certificate', certificateIds),
    };
    return { ...page, items: page.items.map((event) => logEntryView(event, shown)) };
  }

  @Get('export')
  @Requires('audit:read')
  @Summary('Export the log', 'A stream of all selected events, oldest first. The export itself is logged.')
  @Answers(200, null, { types: ['application/x-ndjson', 'text/csv'] })
  async export(@Who() actor: Actor, @QueryOf(LogExportQuery) query: LogExportQuery): Promise<StreamableFile> {
    const type = query.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson';
    const lines = Readable.from(await this.exports.lines(actor, query), { objectMode: false });
    return new StreamableFile(lines, { type, disposition: `attachment; filename="audit-log.${query.format}"` });
  }
}
