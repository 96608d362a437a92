import { z } from 'zod';
import type { SortKeys } from '../../platform/db/list-order.js';
import { listQuery, longestPage, pageOf, PageQuery } from '../../platform/http/page.js';
import { queryBoolean, queryInt, truthOf } from '../../platform/http/query.js';
import { certificateStates } from '../certificate.entity.js';
import { CertificateBriefView, CertificateView } from '../certificate.schema.js';

/** The sort keys of a list of certificates `c`. Each has an index on (`retired`, key, id). */
export const certificateOrders = {
  id: { sql: 'c.id', type: 'int' },
  name: { sql: 'c.name', type: 'text', unique: true },
  owner: { sql: 'lower(c.owner)', type: 'text' },
  cn: { sql: 'left(lower(c.common_name), 300)', type: 'text' },
  commonName: { sql: 'left(lower(c.common_name), 300)', type: 'text' },
  issuer: { sql: 'c.issuer', type: 'text' },
  lifecycle: { sql: 'c.state', type: 'text' },
  notBefore: { sql: 'c.not_before', type: 'timestamptz' },
  notAfter: { sql: 'c.not_after', type: 'timestamptz' },
  dateCreated: { sql: 'c.created_at', type: 'timestamptz' },
} as const satisfies SortKeys;
type OrderName = keyof typeof certificateOrders;

const id = () => queryInt(1, 2_147_483_647);
const chain = () =>
  queryBoolean()
    .optional()
    .meta({ description: 'Include the certificate chain of each entry; otherwise `chain` is null in lists.' });

/** GET /certificates. */
export const ListQuery = listQuery(...(Object.keys(certificateOrders) as [OrderName, ...OrderName[]])).extend({
  owner: z.string().max(128).optional(),
  id: id().optional(),
  lifecycle: z.enum(certificateStates).optional(),
  active: queryBoolean().optional().meta({ description: 'Whether expiry notices are sent.' }),
  rotation: queryBoolean().optional(),
  destinationId: id().optional(),
  creator: z
    .string()
    .max(255)
    .optional()
    .meta({ description: 'Id, name or e-mail address of the user who requested it.' }),
  show: z
    .string()
    .transform((text, context) => {
      const value = /^(mine|currentUser)$/i.test(text) ? true : /^all$/i.test(text) ? false : truthOf(text);
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: 'Expected mine, currentUser or all' });
      return z.NEVER;
    })
    .optional()
    .meta({
      description: '`mine`, `currentUser` or true: only certificates that you requested or that your roles own.',
    }),
  serial: z.string().max(8000).optional().meta({ description: 'Decimal, 0x… or aa:bb:….' }),
  timeRange: queryInt(0, 5200)
    .optional()
    .meta({ description: 'Only certificates that expire within this number of weeks, by default soonest first.' }),
  showExpired: queryBoolean().optional().meta({ description: 'Include certificates that expired long ago.' }),
  short: queryBoolean().optional().meta({ description: 'Only the main members.' }),
  chain: chain(),
});
export type ListQuery = z.output<typeof ListQuery>;

/** GET /certificates/valid. Lemur's clients expect all certificates in one response, unless they request a page. */
export const ValidQuery = listQuery(...(Object.keys(certificateOrders) as [OrderName, ...OrderName[]])).extend({
  page: PageQuery.shape.page.unwrap().optional(),
  count: queryInt(1, longestPage)
    .optional()
    .meta({
      description:
        'Entries on a page. Without `page`, `count` and `after` the response has all certificates; ' +
        'it is refused if there are more than 1,000.',
    }),
  owner: z.string().max(128).optional(),
  chain: chain(),
  san: z.string().max(512).optional().meta({ description: 'One of its names; `%` is a wildcard.' }),
});
export type ValidQuery = z.output<typeof ValidQuery>;

/** The properties by which certificates are counted. */
export const metrics = ['bits', 'issuer', 'not_after', 'signing_algorithm'] as const;
export type Metric = (typeof metrics)[number];

/** GET /certificates/stats. */
export const StatsQuery = z.strictObject({
  metric: z
    .enum(metrics)
    .meta({ description: '`not_after` counts certificates that expire within 32 weeks, by issuer.' }),
});
export type StatsQuery = z.output<typeof StatsQuery>;

/** Counts in the format of Lemur's charts: the n-th value belongs to the n-th label. */
export const Stats = z
  .strictObject({
    items: z.strictObject({ labels: z.array(z.union([z.string(), z.int()])), values: z.array(z.int().min(0)) }),
    total: z.int().min(0).meta({ description: 'Number of labels.' }),
  })
  .meta({ id: 'Stats' });
export type Stats = z.output<typeof Stats>;

/** A page of certificates. With `short`, its entries are brief. */
export const CertificatePage = pageOf(z.union([CertificateView, CertificateBriefView]));
export type CertificatePage = z.output<typeof CertificatePage>;
