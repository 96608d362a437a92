import { z } from 'zod';
import { Instant, instant, InstantOut } from '../platform/http/instant.js';
import { listQuery, PageQuery } from '../platform/http/page.js';
import { queryInt } from '../platform/http/query.js';
import type { AuditEvent } from './audit-event.entity.js';

const selection = {
  from: Instant.optional().meta({ description: 'Events of this moment and later.' }),
  to: Instant.optional().meta({ description: 'Events before this moment.' }),
};

/** How the log is read: in the order in which things were done, newest first unless sorted otherwise. */
export const LogQuery = listQuery('id', 'loggedAt').extend({
  ...selection,
  after: queryInt(1, Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: 'The `next` of the page before; takes the place of `page`.' }),
});
export type LogQuery = z.output<typeof LogQuery>;

/** How the log is written out: all that is selected. */
export const LogExportQuery = PageQuery.pick({ filter: true }).extend({
  ...selection,
  format: z.enum(['ndjson', 'csv']).default('ndjson').meta({ description: '`ndjson`: one JSON object a line.' }),
});
export type LogExportQuery = z.output<typeof LogExportQuery>;

/** Which events. */
export type LogSelection = Pick<LogQuery, 'filter' | 'from' | 'to'>;

const Values = z.record(z.string(), z.unknown()).nullable();

/** One audit event in an answer; the first four fields are those that Lemur's clients know. */
export const LogView = z
  .strictObject({
    id: z.int(),
    logType: z.string().meta({ description: 'What was done, such as `certificate.issued`.' }),
    loggedAt: InstantOut,
    user: z
      .strictObject({ id: z.int().nullable(), username: z.string() })
      .meta({ description: 'Who did it; without an id, the program itself or someone not signed in.' }),
    targetType: z.string(),
    targetId: z.string(),
    address: z.string(),
    requestId: z.string(),
    before: Values,
    after: Values,
    seq: z.int().nullable().meta({ description: 'Place in the hash chain; null for about a second until sealed.' }),
    hash: z.string().nullable().meta({ description: 'SHA-256 in hex that the next event is sealed after.' }),
  })
  .meta({ id: 'LogEntry' });

export function logView(event: AuditEvent): z.output<typeof LogView> {
  const { id, action, at, actorUserId, actorName, targetType, targetId, address, requestId, before, after, seq, hash } =
    event;
  return {
    id: Number(id),
    logType: action,
    loggedAt: instant(at),
    user: { id: actorUserId, username: actorName },
    targetType,
    targetId,
    address,
    requestId,
    before,
    after,
    seq: seq === null ? null : Number(seq),
    hash: hash && hash.toString('hex'),
  };
}
