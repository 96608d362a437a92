import { z } from 'zod';
import { noticeEvents } from '../../plugin-api/events.js';
import { instant, instantOrNull, InstantOut } from '../../platform/http/instant.js';
import { listQuery } from '../../platform/http/page.js';
import { queryInt } from '../../platform/http/query.js';
import { noticeHolds, noticeStates } from './notice.entity.js';
import type { NoticeRow } from './notice.repository.js';

const id = queryInt(1, 2_147_483_647).optional();

/** GET /notices. */
export const NoticeQuery = listQuery('id', 'createdAt', 'nextAttemptAt').extend({
  state: z.enum(noticeStates).optional().meta({ description: '`due`: not sent yet.' }),
  event: z.enum(noticeEvents).optional(),
  certificateId: id,
  authorityId: id,
  subscriptionId: id,
  channelId: id,
});
export type NoticeQuery = z.output<typeof NoticeQuery>;

const Named = z.object({ id: z.int(), name: z.string() });
const Labelled = z.object({ id: z.int(), label: z.string() });

export const NoticeView = z
  .object({
    id: z.int(),
    event: z.enum(noticeEvents),
    state: z.enum(noticeStates).meta({
      description: '`dropped`: it no longer applies, or was refused for days; then it has a `fault`.',
    }),
    hold: z
      .enum(noticeHolds)
      .nullable()
      .meta({ description: 'Why it waits until `nextAttemptAt`; null when it is due or was tried.' }),
    certificate: Named.nullable(),
    authority: Named.nullable(),
    subscription: Labelled.nullable().meta({ description: 'Null for the mail to the owner.' }),
    channel: Labelled.nullable(),
    escalates: z.int().nullable().meta({ description: 'The notice on which nobody acted, if this one escalates it.' }),
    attempts: z.int().meta({ description: 'Failed attempts to send it.' }),
    fault: z.string().nullable().meta({ description: 'Of the last attempt that failed.' }),
    detail: z.string().nullable(),
    nextAttemptAt: InstantOut.nullable(),
    sentAt: InstantOut.nullable(),
    createdAt: InstantOut,
  })
  .meta({ id: 'Notice' });
export type NoticeView = z.output<typeof NoticeView>;

export function noticeView(row: NoticeRow): NoticeView {
  return {
    id: row.id,
    event: row.event,
    state: row.state,
    hold: row.hold,
    certificate: row.certificate,
    authority: row.authority,
    subscription: row.subscription,
    channel: row.channel,
    escalates: row.escalatesId,
    attempts: row.attempts,
    fault: row.fault,
    detail: row.faultDetail,
    nextAttemptAt: instantOrNull(row.nextAttemptAt),
    sentAt: instantOrNull(row.sentAt),
    createdAt: instant(row.createdAt),
  };
}
