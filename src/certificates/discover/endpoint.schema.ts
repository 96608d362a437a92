import { z } from 'zod';
import { serialDecimal } from '../../pki/serial.js';
import { instant, instantOrNull, InstantOut } from '../../platform/http/instant.js';
import { listQuery } from '../../platform/http/page.js';
import { queryBoolean } from '../../platform/http/query.js';
import type { EndpointRow } from '../../sources/endpoint.repository.js';
import { EndpointNameView } from '../../sources/source.schema.js';
import type { LinkedCertificate } from '../certificate.row.js';
import { CertificateLabel } from '../certificate.schema.js';
import { certificateLabel } from '../certificate.view.js';
import type { EndpointIssue } from './endpoint-issues.js';

const text = z.string().nullable();

/** An endpoint with its source, its issues and the certificate that it serves. */
export const EndpointView = z
  .object({
    ...EndpointNameView.shape,
    externalId: z.string(),
    aliases: z.array(z.string()),
    dnsAliases: z.array(z.string()).meta({ description: 'The same as `aliases`.' }),
    active: z
      .boolean()
      .meta({ description: 'Not stale, and seen within ENDPOINT_STALE_AFTER_HOURS or the last three polls.' }),
    detail: text.meta({ description: 'Why the last scan did not see it.' }),
    issues: z.array(z.object({ name: z.string(), value: z.string() })),
    policy: z.object({ name: z.string(), ciphers: z.array(z.object({ name: z.string(), deprecated: z.boolean() })) }),
    protocol: text,
    cipher: text,
    source: z.object({ id: z.int(), label: z.string(), active: z.boolean(), plugin: z.object({ slug: z.string() }) }),
    sourceLabel: z.string(),
    certificate: CertificateLabel.nullable().meta({
      description: 'The certificate that it serves; null when that is not managed here.',
    }),
    served: z.object({
      serial: text.meta({ description: 'Decimal.' }),
      serialHex: text,
      fingerprint: text,
      notAfter: InstantOut.nullable(),
    }),
    dateCreated: InstantOut,
    lastUpdated: InstantOut.meta({ description: 'When it was seen last.' }),
  })
  .meta({ id: 'Endpoint' });
export type EndpointView = z.output<typeof EndpointView>;

/** GET /endpoints. */
export const EndpointQuery = listQuery('id', 'name', 'dnsname', 'port', 'lastUpdated').extend({
  owner: z.string().max(128).toLowerCase().optional(),
  active: queryBoolean().optional(),
  stale: queryBoolean().optional().meta({ description: 'Whether two complete scans in a row have not seen it.' }),
});

/** The facts that the view of an endpoint shows besides its row. `slug` names the plugin of the source. */
export interface EndpointContext {
  source: { id: number; label: string; active: boolean; slug: string };
  certificate: { label: LinkedCertificate } | null;
  issues: readonly EndpointIssue[];
}

/** The response for an endpoint. */
export function endpointView(
  { endpoint: e, active }: EndpointRow,
  { source: { slug, ...source }, certificate, issues }: EndpointContext,
): EndpointView {
  const { id, name, dnsName, port, type, owner, externalId, aliases, protocol, cipher, ciphers } = e;
  return {
    id,
    name,
    dnsname: dnsName,
    port,
    type,
    owner,
    externalId,
    aliases,
    dnsAliases: aliases,
    active,
    staleSince: instantOrNull(e.staleSince),
    detail: e.faultDetail,
    issues: [...issues],
    protocol,
    cipher,
    policy: { name: e.policyName, ciphers },
    source: { ...source, plugin: { slug } },
    sourceLabel: source.label,
    certificate: certificate && certificateLabel(certificate.label),
    served: {
      serial: e.servedSerialHex && serialDecimal(e.servedSerialHex),
      serialHex: e.servedSerialHex,
      fingerprint: e.servedSha256,
      notAfter: instantOrNull(e.servedNotAfter),
    },
    dateCreated: instant(e.firstSeenAt),
    lastUpdated: instant(e.lastSeenAt),
  };
}
