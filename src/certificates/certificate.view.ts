import { z } from 'zod';
import { issuanceCap } from '../authorities/issuance-cap.js';
import { instant, instantOrNull, InstantOut } from '../platform/http/instant.js';
import { endpointNameView, EndpointNameView } from '../sources/source.schema.js';
import { sansAsLemur, usagesAsLemur } from './issue/extensions.schema.js';
import type { CertificateRow } from './certificate.row.js';
import { certificateStates, ownerVouches } from './certificate.entity.js';

const Linked = z.object({
  id: z.int(),
  name: z.string(),
  lifecycle: z.enum(certificateStates),
  owner: z.string(),
  cn: z.string(),
  serial: z.string().nullable(),
  notBefore: z.string(),
  notAfter: z.string(),
});

const brief = {
  id: z.int(),
  name: z.string(),
  owner: z.string(),
  notify: z.boolean(),
  rotation: z.boolean(),
  issuer: z.string(),
  cn: z.string(),
  authority: z
    .object({
      id: z.int(),
      name: z.string(),
      owner: z.string(),
      description: z.string().nullable(),
      active: z.boolean(),
      maxIssuanceDays: z.int().nullable().meta({ description: 'The longest validity that it issues for today.' }),
      defaultValidityDays: z.int().nullable(),
      isCabCompliant: z.boolean().nullable(),
      isCnOptional: z.boolean(),
    })
    .nullable(),
};

const subjectPart = (description: string) => z.string().nullable().meta({ description });

/** The parts of the subject by the names that requests have for them. */
const subjectParts = {
  commonName: z.string(),
  country: subjectPart('C of the subject.'),
  state: subjectPart('ST of the subject: state or province.'),
  location: subjectPart('L of the subject.'),
  organization: subjectPart('O of the subject.'),
  organizationalUnit: subjectPart('OU of the subject.'),
};

/** What a list with `short=true` gives. */
export const CertificateBriefView = z.object(brief).meta({ id: 'CertificateBrief' });
export type CertificateBriefView = z.output<typeof CertificateBriefView>;

export const CertificateView = z
  .object({
    ...brief,
    ...subjectParts,
    lifecycle: z.enum(certificateStates).meta({ description: 'How far it is on its way from request to end.' }),
    status: z.enum(['valid', 'revoked', 'unknown']),
    active: z.boolean(),
    body: z.string().nullable(),
    chain: z.string().nullable(),
    csr: z.string().nullable(),
    hasPrivateKey: z.boolean(),
    serial: z.string().nullable().meta({ description: 'Decimal.' }),
    serialHex: z.string().nullable(),
    fingerprint: z.string().nullable().meta({ description: 'SHA-256 of the certificate, hex.' }),
    distinguishedName: z.string(),
    keyType: z.string(),
    bits: z.int(),
    signingAlgorithm: z.string().nullable(),
    notBefore: InstantOut,
    notAfter: InstantOut,
    dateCreated: InstantOut,
    description: z.string().nullable(),
    deleted: z.boolean().nullable(),
    san: z.boolean().nullable(),
    externalId: z.string().nullable(),
    extensions: z.record(z.string(), z.unknown()),
    user: z.object({ id: z.int(), username: z.string(), email: z.string(), active: z.boolean() }).nullable(),
    domains: z.array(z.object({ id: z.int(), name: z.string(), sensitive: z.boolean() })),
    roles: z.array(
      z.object({
        id: z.int(),
        name: z.string(),
        description: z.string(),
        byIssuer: z.boolean().meta({
          description:
            'True where it is here only because the authority belongs to it: it looks ' +
            'after the certificate, but gives no right to the key.',
        }),
      }),
    ),
    notifications: z.array(z.object({ id: z.int(), label: z.string(), active: z.boolean() })),
    destinations: z.array(
      z.object({
        id: z.int(),
        label: z.string(),
        description: z.string().nullable(),
        plugin: z.object({ slug: z.string() }),
      }),
    ),
    endpoints: z.array(EndpointNameView),
    replaces: z.array(Linked),
    replaced: z.array(Linked),
    replacedBy: z.array(Linked),
    rotationPolicy: z.object({
      id: z.int(),
      name: z.string(),
      days: z.int().nullable(),
      lifetimeFraction: z.number().nullable(),
    }),
    renewal: z
      .object({
        at: InstantOut.nullable(),
        reason: z.string().nullable(),
        attempts: z.int(),
        fault: z.string().nullable(),
        detail: z.string().nullable(),
        vouchingRole: z
          .string()
          .nullable()
          .meta({ description: 'The role by whose rights on names it renews, beside those of its creator.' }),
        ownerVouches: z.boolean().meta({
          description:
            "False: that is not the owner's role. A holder of the owner's role changes that by " +
            '`POST /certificates/{id}/accept`.',
        }),
      })
      .meta({ description: 'When it renews by itself and why, or why not.' }),
    order: z
      .object({
        attempts: z.int(),
        fault: z.string().nullable(),
        detail: z.string().nullable(),
        nextAttemptAt: InstantOut.nullable(),
      })
      .nullable()
      .meta({ description: 'For a certificate that is not issued yet.' }),
    nextNoticeAt: InstantOut.nullable(),
    revokedAt: InstantOut.nullable(),
    revocationReason: z.int().nullable(),
    supersededAt: InstantOut.nullable(),
    awaitsDeployment: z.boolean().meta({
      description:
        'Superseded, but nothing here puts the successor in place: it may still be ' +
        'served, and its end is warned about until `notify` is switched off.',
    }),
  })
  .meta({ id: 'Certificate' });
export type CertificateView = z.output<typeof CertificateView>;

/** The light form: no bodies, no relations but the authority. */
export function briefView(row: CertificateRow): CertificateBriefView {
  const a = row.authority;
  return {
    id: row.id,
    name: row.name,
    owner: row.owner,
    notify: row.notify,
    rotation: row.rotation,
    issuer: row.issuer,
    cn: row.commonName,
    authority: a && {
      id: a.id,
      name: a.name,
      owner: a.owner,
      description: a.description,
      active: a.active,
      maxIssuanceDays: issuanceCap(a.limits, row.readAt)?.days ?? null,
      defaultValidityDays: a.defaultValidityDays,
      isCabCompliant: a.isCabCompliant,
      isCnOptional: a.isCnOptional,
    },
  };
}

/** The full form. Everything that leaves the house is named here. */
export function certificateView(row: CertificateRow): CertificateView {
  const replaced = row.replaced.map(linkedView);
  return {
    ...briefView(row),
    ...pki(row),
    ...moments(row),
    active: row.notify,
    description: row.description,
    deleted: row.deletedAt !== null || null,
    externalId: row.externalId,
    user: row.creator,
    domains: row.domains,
    roles: row.roles,
    notifications: row.notifications,
    endpoints: row.endpoints.map(endpointNameView),
    destinations: row.destinations.map(({ pluginId, ...d }) => ({ ...d, plugin: { slug: pluginId } })),
    replaces: row.replaces.map(linkedView),
    replaced,
    replacedBy: replaced,
    rotationPolicy: row.rotationPolicy,
  };
}

function pki(row: CertificateRow) {
  return {
    ...subjectOf(row),
    lifecycle: row.state,
    status: statusOf(row),
    body: row.bodyPem,
    chain: row.chainPem,
    csr: row.csrPem,
    hasPrivateKey: row.hasPrivateKey,
    serial: row.serialHex && BigInt(`0x${row.serialHex}`).toString(),
    serialHex: row.serialHex,
    fingerprint: row.sha256,
    distinguishedName: row.distinguishedName,
    keyType: row.keyType,
    bits: row.bits,
    signingAlgorithm: row.signingAlgorithm,
    san: row.sanCount > 1 ? true : null,
    extensions: { ...sansAsLemur(row.terms.subjectAltNames), ...usagesAsLemur(row.terms) },
  };
}

/** From the stored terms: no list parses X.509. */
function subjectOf({ commonName, terms: { subject } }: CertificateRow) {
  return {
    commonName,
    country: subject.country ?? null,
    state: subject.state ?? null,
    location: subject.location ?? null,
    organization: subject.organization ?? null,
    organizationalUnit: subject.organizationalUnit ?? null,
  };
}

function moments(row: CertificateRow) {
  const unfinished = row.state === 'requested' || row.state === 'pending' || row.state === 'failed';
  return {
    notBefore: instant(row.notBefore),
    notAfter: instant(row.notAfter),
    dateCreated: instant(row.createdAt),
    renewal: {
      at: instantOrNull(row.nextRenewalAt),
      reason: row.renewalReason,
      attempts: row.renewalAttempts,
      fault: row.renewalFault,
      detail: row.renewalDetail,
      vouchingRole: row.vouchingRole,
      ownerVouches: ownerVouches(row),
    },
    order: unfinished
      ? {
          attempts: row.attempts,
          fault: row.fault,
          detail: row.faultDetail,
          nextAttemptAt: instantOrNull(row.nextAttemptAt),
        }
      : null,
    nextNoticeAt: instantOrNull(row.nextNoticeAt),
    revokedAt: instantOrNull(row.revokedAt),
    revocationReason: row.revocationReason,
    supersededAt: instantOrNull(row.supersededAt),
    awaitsDeployment: row.awaitsDeployment,
  };
}

function linkedView(row: CertificateRow['replaces'][number]): z.output<typeof Linked> {
  return {
    id: row.id,
    name: row.name,
    lifecycle: row.state,
    owner: row.owner,
    cn: row.commonName,
    serial: row.serialHex && BigInt(`0x${row.serialHex}`).toString(),
    notBefore: instant(new Date(row.notBefore)),
    notAfter: instant(new Date(row.notAfter)),
  };
}

function statusOf(row: CertificateRow): CertificateView['status'] {
  if (row.state === 'revoked') return 'revoked';
  return row.state === 'issued' || row.state === 'superseded' ? 'valid' : 'unknown';
}
