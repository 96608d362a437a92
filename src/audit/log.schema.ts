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

/** One audit event as it is written out. */
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
  .meta({ id: 'LogLine' });

/** One audit event in an answer, with what it speaks of as that is now. */
export const LogEntryView = LogView.extend({
  user: z
    .strictObject({
      id: z.int().nullable(),
      username: z.string(),
      email: z.string().nullable(),
      active: z.boolean().nullable(),
    })
    .meta({ description: 'Who did it; without an id, the program itself or someone not signed in.' }),
  certificate: z
    .record(z.string(), z.unknown())
    .nullable()
    .meta({ description: 'The certificate that was acted on, as lists of certificates name one.' }),
}).meta({ id: 'LogEntry' });
export type LogEntryView = z.output<typeof LogEntryView>;

/** `users` and `certificates`: of `LogSubjects`. */
export function logEntryView(
  event: AuditEvent,
  { users, certificates }: Record<'users' | 'certificates', Shown>,
): LogEntryView {
  const line = logView(event);
  const { email = null, active = null } = (users.get(event.actorUserId ?? 0) ?? {}) as {
    email?: string;
    active?: boolean;
  };
  const certificate = event.targetType === 'certificate' ? certificates.get(Number(event.targetId)) : undefined;
  return { ...line, user: { ...line.user, email, active }, certificate: certificate ?? null };
}
type Shown = ReadonlyMap<number, Record<string, unknown>>;

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
