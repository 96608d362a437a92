import { z } from 'zod';
import { instant, instantOrNull, InstantOut } from '../../platform/http/instant.js';
import { listQuery } from '../../platform/http/page.js';
import { queryBoolean } from '../../platform/http/query.js';
import type { LinkedCertificate } from '../certificate.row.js';
import { CertificateLabel } from '../certificate.schema.js';
import { certificateLabel } from '../certificate.view.js';

/** A certificate that a source has found, and where. */
export const FindingView = z
  .object({
    id: z.int(),
    sourceId: z.int(),
    location: z.string().meta({ description: 'Where at the source: a path, an address, an ARN …' }),
    externalId: z.string().nullable().meta({ description: 'Its id in the other system.' }),
    owner: z.string().meta({ description: 'The owner that the source reports, otherwise that of the source.' }),
    logged: z.boolean().meta({ description: 'True when a public log shows it, and not a place that uses it.' }),
    certificate: CertificateLabel,
    endpoints: z
      .array(z.object({ id: z.int(), name: z.string(), port: z.int() }))
      .meta({ description: 'The endpoints at this location that served it when they were seen last.' }),
    firstSeenAt: InstantOut,
    lastSeenAt: InstantOut,
    staleSince: InstantOut.nullable().meta({
      description: 'When the second complete scan in a row has not found it; null until then.',
    }),
  })
  .meta({ id: 'Finding' });
export type FindingView = z.output<typeof FindingView>;

/** GET /sources/{id}/findings. */
export const FindingQuery = listQuery('id', 'location', 'firstSeenAt', 'lastSeenAt').extend({
  owner: z.string().max(128).toLowerCase().optional(),
  stale: queryBoolean().optional().meta({ description: 'Whether two complete scans in a row have not found it.' }),
});
export type FindingQuery = z.output<typeof FindingQuery>;

/** A finding as the list reads it. */
export interface FindingRow {
  id: number;
  sourceId: number;
  location: string;
  externalId: string | null;
  owner: string;
  logged: boolean;
  certificate: LinkedCertificate;
  endpoints: FindingView['endpoints'];
  firstSeenAt: Date;
  lastSeenAt: Date;
  staleSince: Date | null;
}

/** The response for a finding. */
export function findingView({ certificate, firstSeenAt, lastSeenAt, staleSince, ...row }: FindingRow): FindingView {
  const { id, sourceId, location, externalId, owner, logged, endpoints } = row;
  return {
    id,
    sourceId,
    location,
    externalId,
    owner,
    logged,
    certificate: certificateLabel(certificate),
    endpoints,
    firstSeenAt: instant(firstSeenAt),
    lastSeenAt: instant(lastSeenAt),
    staleSince: instantOrNull(staleSince),
  };
}
