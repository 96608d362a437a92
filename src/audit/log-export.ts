import { Injectable } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Audit } from './audit.js';
import { AuditRepository } from './audit.repository.js';
import type { LoggedEvent } from './audit-seals.js';
import { logCsv, logCsvHead } from './log-csv.js';
import { type LogExportQuery, logView } from './log.schema.js';

/** Events per read: the memory bound of an export of any length. */
const batch = 1000;

/** Streams the audit log, oldest first. */
@Injectable()
export class LogExport {
  constructor(
    private readonly db: Database,
    private readonly events: AuditRepository,
    private readonly audit: Audit,
  ) {}

  /**
   * The lines in UTF-8. The last event is the record of this export. Throws `invalid-request` for an unknown filter,
   * before the first line.
   */
  async lines(actor: Actor, query: LogExportQuery): Promise<AsyncIterable<string>> {
    const { format, from, to, filter } = query;
    const lastId = await this.db.write(async (tx) => {
      await this.events.following(tx, query, { afterId: '0', lastId: '0', count: 1 });
      const asked = {
        format,
        from: from ?? null,
        to: to ?? null,
        filter: filter ? `${filter.field};${filter.value}` : null,
      };
      await this.audit.record(tx, actor, { action: 'log.exported', targetType: 'log', targetId: 0, after: asked });
      return this.events.lastId(tx);
    });
    return format === 'csv'
      ? this.read(query, lastId, logCsv, logCsvHead)
      : this.read(query, lastId, (event) => `${JSON.stringify(logView(event))}\n`);
  }

  private async *read(
    query: LogExportQuery,
    lastId: string,
    line: (event: LoggedEvent) => string,
    head = '',
  ): AsyncGenerator<string> {
    if (head !== '') yield head;
    for (let afterId: string | undefined = '0'; afterId !== undefined;) {
      const events: LoggedEvent[] = await this.events.following(this.db.single, query, {
        afterId,
        lastId,
        count: batch,
      });
      if (events.length > 0) yield events.map(line).join('');
      afterId = events.length < batch ? undefined : events.at(-1)?.id;
    }
  }
}
