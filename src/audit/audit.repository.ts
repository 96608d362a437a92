import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { mostCounted } from '../platform/db/list-page.js';
import type { Page } from '../platform/http/page.js';
import { AuditEvent } from './audit-event.entity.js';
import { type LoggedEvent, withSeals } from './audit-seals.js';
import { LogFilters } from './log-filters.js';
import type { LogQuery, LogSelection } from './log.schema.js';

/** Queries for readers of the log; audit.ts and audit-sealer.ts write. */
@Injectable()
export class AuditRepository {
  constructor(private readonly filters: LogFilters) {}

  /** Newest first by default. A filter matches the whole value. Throws `invalid-request` for an unknown field. */
  async list(tx: Tx, query: LogQuery): Promise<Page<LoggedEvent>> {
    const { page, count, after } = query;
    const isRising = query.sortDir === 'asc' || (query.sortDir === undefined && query.sortBy !== undefined);
    const wanted = await this.selected(tx, query);
    const [bounded, values] = wanted.clone().select('e.id').limit(mostCounted).getQueryAndParameters();
    const [{ total }] = await tx.query<[{ total: string }]>(
      `select count(*) as total from (${bounded}) counted`,
      values,
    );
    if (after !== undefined) wanted.andWhere(isRising ? 'e.id > :after' : 'e.id < :after', { after });
    const rows = await wanted
      .orderBy('e.id', isRising ? 'ASC' : 'DESC')
      .limit(count + 1)
      .offset(after === undefined ? (page - 1) * count : 0)
      .getMany();
    const items = rows.slice(0, count);
    const next = rows.length > count ? items.at(-1)?.id : undefined;
    return { items: await withSeals(tx, items), total: Number(total), ...(next !== undefined && { next }) };
  }

  /** The events of one target, newest first; `after` is an event id, and the events before it follow. */
  async ofTarget(
    tx: Tx,
    targetType: string,
    targetId: number,
    { count, after }: { count: number; after?: number },
  ): Promise<{ items: AuditEvent[]; next?: string }> {
    const wanted = tx
      .createQueryBuilder(AuditEvent, 'e')
      .where('e.targetType = :targetType and e.targetId = :targetId', { targetType, targetId: String(targetId) });
    if (after !== undefined) wanted.andWhere('e.id < :after', { after });
    const rows = await wanted
      .orderBy('e.id', 'DESC')
      .limit(count + 1)
      .getMany();
    const items = rows.slice(0, count);
    return { items, ...(rows.length > count && { next: items.at(-1)?.id }) };
  }

  /**
   * The next `count` events after the id `afterId`, oldest first, up to and including the id `lastId`. Throws as
   * `list`.
   */
  async following(
    tx: Tx,
    selection: LogSelection,
    { afterId, lastId, count }: { afterId: string; lastId: string; count: number },
  ): Promise<LoggedEvent[]> {
    const wanted = await this.selected(tx, selection);
    const events = await wanted
      .andWhere('e.id > :afterId and e.id <= :lastId', { afterId, lastId })
      .orderBy('e.id', 'ASC')
      .limit(count)
      .getMany();
    return withSeals(tx, events);
  }

  /** The highest event id, `0` when there is no event. */
  async lastId(tx: Tx): Promise<string> {
    const [{ id }] = await tx.query<[{ id: string }]>('select coalesce(max(id), 0) as id from audit_event');
    return id;
  }

  private async selected(tx: Tx, { filter, from, to }: LogSelection): Promise<SelectQueryBuilder<AuditEvent>> {
    const wanted = tx.createQueryBuilder(AuditEvent, 'e');
    if (filter) wanted.where(await this.filters.condition(tx, filter));
    if (from) wanted.andWhere('e.at >= :from', { from });
    if (to) wanted.andWhere('e.at < :to', { to });
    return wanted;
  }
}
