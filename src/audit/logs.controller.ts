import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../platform/db/database.js';
import { Requires } from '../platform/http/actor.js';
import { Answers, QueryOf, Summary } from '../platform/http/contract.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { AuditRepository } from './audit.repository.js';
import { LogQuery, LogView, logView } from './log.schema.js';

/** The audit log, for administrators. */
@Controller('logs')
export class LogsController {
  constructor(private readonly db: Database, private readonly events: AuditRepository) {}

  @Get()
  @Requires('audit:read')
  @Summary('List audit events', 'Newest first. `filter` takes logType, targetType, targetId, username, address or requestId, and a whole value.')
  @Answers(200, pageOf(LogView))
  async list(@QueryOf(LogQuery) query: LogQuery): Promise<Page<z.output<typeof LogView>>> {
    const page = await this.events.list(this.db.single, query);
    return { ...page, items: page.items.map(logView) };
  }
}
