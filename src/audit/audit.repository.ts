import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Page } from '../platform/http/page.js';
import { invalid } from '../platform/http/problem.js';
import { AuditEvent } from './audit-event.entity.js';
import type { LogQuery } from './log.schema.js';

/** Counting stops here, so that a long history costs no more than a short one. */
const mostCounted = 10_000;

const filters: Readonly<Record<string, keyof AuditEvent>> = {
  logType: 'action', targetType: 'targetType', targetId: 'targetId', username: 'actorName', address: 'address', requestId: 'requestId',
};

/** Reading for people; writing is in audit.ts and audit-sealer.ts. */
@Injectable()
export class AuditRepository {
  /** Newest first; a filter wants the whole value. Throws `invalid-request` for a field that the log does not have. */
  async list(tx: Tx, { page, count, after, filter }: LogQuery): Promise<Page<AuditEvent>> {
    const wanted = tx.createQueryBuilder(AuditEvent, 'e');
    if (filter) wanted.where({ [columnOf(filter.field)]: filter.value });
    const [bounded, values] = wanted.clone().select('e.id').limit(mostCounted).getQueryAndParameters();
    const [{ total }] = await tx.query<[{ total: string }]>(`select count(*) as total from (${bounded}) counted`, values);
    if (after !== undefined) wanted.andWhere('e.id < :after', { after });
    const rows = await wanted.orderBy('e.id', 'DESC').limit(count + 1).offset(after === undefined ? (page - 1) * count : 0).getMany();
    const items = rows.slice(0, count);
    const next = rows.length > count ? items.at(-1)?.id : undefined;
    return { items, total: Number(total), ...(next !== undefined && { next }) };
  }
}

function columnOf(field: string): keyof AuditEvent {
  const column = Object.hasOwn(filters, field) ? filters[field] : undefined;
  if (!column) throw invalid('filter', `Can be ${Object.keys(filters).join(', ')}`);
  return column;
}
