import { leadMs } from '../../notifications/lead-time.js';
import type { Endpoint } from '../../sources/endpoint.entity.js';
import type { CertificateState } from '../certificate.entity.js';

/**
 * The certificate that an endpoint serves, as far as an endpoint is judged by it. `successor`: the newest one in force
 * that replaces it.
 */
export interface ServedCertificate {
  name: string;
  state: CertificateState;
  notBefore: Date;
  notAfter: Date;
  watched: boolean;
  successor: { id: number; name: string; serialHex: string } | null;
}

/** Something that should not be so. `name` says what sort of thing, `value` what it is in words. */
export interface EndpointIssue {
  name: string;
  value: string;
}

type Judged = Pick<Endpoint, 'ciphers' | 'servedNotAfter' | 'servedSerialHex' | 'faultDetail'> & { active: boolean };
type Rule = (
  endpoint: Judged,
  certificate: ServedCertificate | null,
  when: { now: Date; leadS: number },
) => EndpointIssue[];

const deprecated: Rule = ({ ciphers }) =>
  ciphers
    .filter((cipher) => cipher.deprecated)
    .map(({ name }) => ({ name: 'deprecated cipher', value: `It accepts ${name}, which is not safe any more.` }));

const ending: Rule = ({ servedNotAfter }, certificate, { now, leadS }) => {
  if (!servedNotAfter) return [];
  if (servedNotAfter <= now)
    return [
      { name: 'expired certificate', value: `It serves a certificate that ended at ${servedNotAfter.toISOString()}.` },
    ];
  const lifetimeMs = certificate ? certificate.notAfter.getTime() - certificate.notBefore.getTime() : Infinity;
  const leftMs = servedNotAfter.getTime() - now.getTime();
  if (leftMs > leadMs(leadS, lifetimeMs)) return [];
  return [
    {
      name: 'expiring certificate',
      value:
        `It serves a certificate that ends in ${Math.floor(leftMs / 86_400_000)} days, ` +
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
            `${certificate.successor.name} (${certificate.successor.serialHex}) has replaced ` +
            'that.',
        },
      ]
    : [];

const unknown: Rule = (_, certificate) =>
  certificate ? [] : [{ name: 'unknown certificate', value: 'What it serves is not known here.' }];

const unwatched: Rule = (_, certificate) =>
  certificate && !certificate.watched && certificate.state === 'issued' && !certificate.successor
    ? [{ name: 'unwatched certificate', value: `It serves ${certificate.name}, of whose end nobody is warned.` }]
    : [];

const unseen: Rule = ({ active, faultDetail }) => [
  ...(faultDetail === null ? [] : [{ name: 'not seen', value: faultDetail }]),
  ...(active ? [] : [{ name: 'stale', value: 'It has not been seen for long.' }]),
];

const rules: readonly Rule[] = [deprecated, ending, revoked, outdated, unknown, unwatched, unseen];

/**
 * Everything that is wrong with an endpoint. `leadS`: so long before its end a certificate counts as expiring, in
 * seconds.
 */
export function endpointIssues(
  endpoint: Judged,
  certificate: ServedCertificate | null,
  when: { now: Date; leadS: number },
): EndpointIssue[] {
  return rules.flatMap((rule) => rule(endpoint, certificate, when));
}
