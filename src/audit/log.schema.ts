import { z } from 'zod';
import { Instant, instant, InstantOut } from '../platform/http/instant.js';
import { listQuery, PageQuery } from '../platform/http/page.js';
import { queryInt } from '../platform/http/query.js';
import type { LoggedEvent } from './audit-seals.js';

const selection = {
  from: Instant.optional().meta({ description: 'Events at or after this time.' }),
  to: Instant.optional().meta({ description: 'Events before this time.' }),
};

/** Query of GET /logs: chronological, newest first by default. */
export const LogQuery = listQuery('id', 'loggedAt').extend({
  ...selection,
  after: queryInt(1, Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: 'The `next` value of the previous page; overrides `page`.' }),
});
export type LogQuery = z.output<typeof LogQuery>;

/** Query of GET /logs/export, which returns every selected event. */
export const LogExportQuery = PageQuery.pick({ filter: true }).extend({
  ...selection,
  format: z.enum(['ndjson', 'csv']).default('ndjson').meta({ description: '`ndjson`: one JSON object per line.' }),
});
export type LogExportQuery = z.output<typeof LogExportQuery>;

/** Selects events. */
export type LogSelection = Pick<LogQuery, 'filter' | 'from' | 'to'>;

const Values = z.record(z.string(), z.unknown()).nullable();

/** One audit event, as exported. */
export const LogView = z
  .strictObject({
    id: z.int(),
    logType: z.string().meta({ description: 'What was done, e.g. `certificate.issued`.' }),
    loggedAt: InstantOut,
    user: z
      .strictObject({ id: z.int().nullable(), username: z.string() })
      .meta({ description: 'Who did it. Without an id: the program itself or an anonymous caller.' }),
    targetType: z.string(),
    targetId: z.string(),
    address: z.string(),
    requestId: z.string(),
    before: Values,
    after: Values,
    seq: z.int().nullable().meta({ description: 'Place in the hash chain; null until sealed (about a second).' }),
    hash: z.string().nullable().meta({ description: 'Hash of this event in hex; part of the hash of the next event.' }),
  })
  .meta({ id: 'LogLine' });

/** One audit event with current details of its user and certificate. */
export const LogEntryView = LogView.extend({
  user: z
    .strictObject({
      id: z.int().nullable(),
      username: z.string(),
      email: z.string().nullable(),
      active: z.boolean().nullable(),
    })
    .meta({ description: 'Who did it. Without an id: the program itself or an anonymous caller.' }),
  certificate: z
    .record(z.string(), z.unknown())
    .nullable()
    .meta({ description: 'The certificate that was acted on, in the short form of certificate lists.' }),
}).meta({ id: 'LogEntry' });
export type LogEntryView = z.output<typeof LogEntryView>;

/** `users` and `certificates` come from `LogDetails`. */
export function logEntryView(
  event: LoggedEvent,
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

export function logView(event: LoggedEvent): z.output<typeof LogView> {
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
