import { z } from 'zod';
import type { AuditEvent } from '../../audit/audit-event.entity.js';
import { instant, InstantOut } from '../../platform/http/instant.js';
import { PageQuery } from '../../platform/http/page.js';
import { queryInt } from '../../platform/http/query.js';
import { certificateStates, type CertificateState } from '../certificate.entity.js';
import type { LineRow } from '../certificate.row.js';

/** GET /certificates/{id}/history. */
export const HistoryQuery = PageQuery.pick({ count: true }).extend({
  after: queryInt(1, Number.MAX_SAFE_INTEGER).optional().meta({ description: '`next` of the previous page.' }),
});
export type HistoryQuery = z.output<typeof HistoryQuery>;

const Values = z.record(z.string(), z.unknown()).nullable();

const HistoryEvent = z
  .object({
    id: z.int(),
    at: InstantOut,
    action: z.string().meta({ description: 'For example `certificate.issued` or `key.viewed`.' }),
    lifecycle: z
      .enum(certificateStates)
      .nullable()
      .meta({ description: 'The state of the certificate after the event; null if the event did not change it.' }),
    user: z
      .object({ id: z.int().nullable(), username: z.string() })
      .meta({ description: 'The user who acted; `id` is null if Perennial acted.' }),
    before: Values,
    after: Values,
  })
  .meta({ id: 'HistoryEvent' });

const LineMember = z
  .object({
    id: z.int(),
    name: z.string(),
    lifecycle: z.enum(certificateStates),
    serialHex: z.string().nullable(),
    notBefore: InstantOut,
    notAfter: InstantOut,
    renewsId: z.int().nullable().meta({ description: 'The certificate that it renews.' }),
  })
  .meta({ id: 'LineMember' });

/** The history of a certificate. `items`: newest event first. `line`: oldest certificate first. */
export const HistoryView = z
  .object({
    line: z.array(LineMember).meta({ description: 'The certificate with all its predecessors and successors.' }),
    items: z.array(HistoryEvent),
    next: z.string().optional(),
  })
  .meta({ id: 'History' });
export type HistoryView = z.output<typeof HistoryView>;

/** The state of a certificate after an event, by the action of the event. */
const stateAfter: Readonly<Record<string, CertificateState>> = {
  'certificate.requested': 'requested',
  'certificate.ordered': 'pending',
  'certificate.issued': 'issued',
  'certificate.imported': 'issued',
  'certificate.superseded': 'superseded',
  'certificate.reinstated': 'issued',
  'certificate.revoked': 'revoked',
  'certificate.failed': 'failed',
  'certificate.cancelled': 'cancelled',
};

/** An event in the response. Leaves out the IP address of the user, which only auditors may see. */
export function eventView({
  id,
  at,
  action,
  actorUserId,
  actorName,
  before,
  after,
}: AuditEvent): z.output<typeof HistoryEvent> {
  return {
    id: Number(id),
    at: instant(at),
    action,
    lifecycle: stateAfter[action] ?? null,
    user: { id: actorUserId, username: actorName },
    before,
    after,
  };
}

/** A predecessor or successor in the response. */
export function lineView({ state, ...row }: LineRow): z.output<typeof LineMember> {
  return { ...row, lifecycle: state, notBefore: instant(row.notBefore), notAfter: instant(row.notAfter) };
}
