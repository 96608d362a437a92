import { z } from 'zod';
import { listQuery, pageOf } from '../../platform/http/page.js';
import type { SortKeys } from '../../platform/db/list-order.js';
import { queryBoolean, queryInt } from '../../platform/http/query.js';
import { certificateStates } from '../certificate.entity.js';
import { CertificateBriefView, CertificateView } from '../certificate.view.js';

/** By which members a list of certificates can be sorted. */
export const sortColumns = {
  id: { sql: 'c.id', type: 'int' }, name: { sql: 'c.name', type: 'text' }, owner: { sql: 'lower(c.owner)', type: 'text' },
  cn: { sql: 'lower(c.common_name)', type: 'text' }, issuer: { sql: 'c.issuer', type: 'text' }, state: { sql: 'c.state', type: 'text' },
  notBefore: { sql: 'c.not_before', type: 'timestamptz' }, notAfter: { sql: 'c.not_after', type: 'timestamptz' },
  dateCreated: { sql: 'c.created_at', type: 'timestamptz' },
} as const satisfies SortKeys;
type SortColumn = keyof typeof sortColumns;

/** GET /certificates. */
export const ListQuery = listQuery(...Object.keys(sortColumns) as [SortColumn, ...SortColumn[]]).extend({
  owner: z.string().max(128).optional(),
  id: queryInt(1, 2_147_483_647).optional(),
  state: z.enum(certificateStates).optional(),
  active: queryBoolean().optional(),
  rotation: queryBoolean().optional(),
  destinationId: queryInt(1, 2_147_483_647).optional(),
  serial: z.string().max(128).optional().meta({ description: 'Decimal, 0x… or aa:bb:….' }),
  timeRange: queryInt(0, 5200).optional().meta({ description: 'Only those that expire within so many weeks.' }),
  showExpired: queryBoolean().optional().meta({ description: 'Also those that expired long ago.' }),
  short: queryBoolean().optional().meta({ description: 'Only the main members.' }),
});
export type ListQuery = z.output<typeof ListQuery>;

export const CertificatePage = pageOf(z.union([CertificateView, CertificateBriefView]));
