import { leadMs } from '../../notifications/lead-time.js';
import type { Endpoint } from '../../sources/endpoint.entity.js';
import type { CertificateState } from '../certificate.entity.js';

/** The facts of a served certificate on which the issues of its endpoint depend. `successor`: the newest issued one. */
export interface ServedCertificate {
  name: string;
  state: CertificateState;
  notBefore: Date;
  notAfter: Date;
  watched: boolean;
  successor: { id: number; name: string; serialHex: string } | null;
}

/** A fault of an endpoint. `name` is its kind, `value` explains it in one sentence. */
export interface EndpointIssue {
  name: string;
  value: string;
}

type Judged = Pick<Endpoint, 'ciphers' | 'servedNotAfter' | 'servedSerialHex' | 'faultDetail' | 'staleSince'> & {
  active: boolean;
};
type Rule = (
  endpoint: Judged,
  certificate: ServedCertificate | null,
  when: { now: Date; leadS: number },
) => EndpointIssue[];

const deprecated: Rule = ({ ciphers }) =>
  ciphers
    .filter((cipher) => cipher.deprecated)
    .map(({ name }) => ({ name: 'deprecated cipher', value: `It accepts ${name}, which is no longer secure.` }));

const expiring: Rule = ({ servedNotAfter }, certificate, { now, leadS }) => {
  if (!servedNotAfter) return [];
  if (servedNotAfter <= now)
    return [
      {
        name: 'expired certificate',
        value: `It serves a certificate that expired at ${servedNotAfter.toISOString()}.`,
      },
    ];
  const lifetimeMs = certificate ? certificate.notAfter.getTime() - certificate.notBefore.getTime() : Infinity;
  const leftMs = servedNotAfter.getTime() - now.getTime();
  if (leftMs > leadMs(leadS, lifetimeMs)) return [];
  return [
    {
      name: 'expiring certificate',
      value:
        `It serves a certificate that expires in ${Math.floor(leftMs / 86_400_000)} days, ` +
        `at ${servedNotAfter.toISOString()}.`,
    },
  ];
};

const revoked: Rule = (_, certificate) =>
  certificate?.state === 'revoked'
    ? [{ name: 'revoked', value: `It serves ${certificate.name}, which is revoked.` }]
    : [];

const outdated: Rule = ({ servedSerialHex }, certificate) =>
  certificate?.successor
    ? [
        {
          name: 'outdated certificate',
          value:
            `It serves serial number ${servedSerialHex ?? 'unknown'}, but ` +
            `${certificate.successor.name} (${certificate.successor.serialHex}) has replaced it.`,
        },
      ]
    : [];

const unknown: Rule = (_, certificate) =>
  certificate ? [] : [{ name: 'unknown certificate', value: 'It serves a certificate that is not managed here.' }];

const unwatched: Rule = (_, certificate) =>
  certificate && !certificate.watched && certificate.state === 'issued' && !certificate.successor
    ? [
        {
          name: 'unwatched certificate',
          value: `It serves ${certificate.name}, for which no notice of expiry is sent.`,
        },
      ]
    : [];

const unseen: Rule = ({ active, faultDetail, staleSince }) => [
  ...(faultDetail === null ? [] : [{ name: 'not seen', value: faultDetail }]),
  ...(active ? [] : [{ name: 'stale', value: staleText(staleSince) }]),
];

function staleText(since: Date | null): string {
  return since === null
    ? 'No scan has seen it lately.'
    : `Two complete scans in a row have not seen it, the second at ${since.toISOString()}.`;
}

const rules: readonly Rule[] = [deprecated, expiring, revoked, outdated, unknown, unwatched, unseen];

/**
 * The issues of an endpoint, each a fault of it. A certificate counts as expiring `leadS` seconds before it expires.
 */
export function endpointIssues(
  endpoint: Judged,
  certificate: ServedCertificate | null,
  when: { now: Date; leadS: number },
): EndpointIssue[] {
  return rules.flatMap((rule) => rule(endpoint, certificate, when));
}
