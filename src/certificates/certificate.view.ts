import { Injectable } from '@nestjs/common';
import { authorityLabel } from '../authorities/authority-label.js';
import { toPem } from '../pki/pem.js';
import { serialDecimal } from '../pki/serial.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { instant, instantOrNull } from '../platform/http/instant.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { staleBefore } from '../sources/endpoint.repository.js';
import { endpointNameView } from '../sources/source.schema.js';
import { ownerVouches } from './certificate.entity.js';
import type { CertificateRow, LinkedCertificate, WithdrawalRow } from './certificate.row.js';
import type { CertificateBriefView, CertificateLabel, CertificateView } from './certificate.schema.js';
import { extensionsAsLemur } from './issue/extensions.view.js';
import { orderView } from './issue/order.view.js';
import { askedNotAfter } from './terms.js';

/** Makes responses from rows: an allow-list of everything that is shown of a certificate. */
@Injectable()
export class CertificateViews {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly plugins: ConfiguredPlugins,
  ) {}

  /** The short form: without bodies, and with no relation but the authority. */
  readonly brief = (row: CertificateRow): CertificateBriefView => ({ id: row.id, ...this.summary(row) });

  /** The complete form. */
  readonly full = (row: CertificateRow): CertificateView => {
    const replaced = row.replaced.map(certificateLabel);
    return {
      id: row.id,
      ...this.summary(row),
      ...subjectOf(row),
      ...pki(row),
      ...progress(row),
      lifecycle: row.state,
      status: statusOf(row),
      active: row.notify,
      description: row.description,
      labels: row.labels,
      profile: row.profile,
      deleted: row.deletedAt !== null,
      externalId: row.externalId,
      lemurId: row.lemurId,
      dnsProvider: null,
      dnsProviderId: null,
      user: row.creator,
      domains: row.domains,
      roles: row.roles,
      ...this.relations(row),
      replaces: row.replaces.map(certificateLabel),
      replaced,
      replacedBy: replaced,
      rotationPolicy: row.rotationPolicy,
    };
  };

  private summary(row: CertificateRow): Omit<CertificateBriefView, 'id'> {
    return {
      name: row.name,
      owner: row.owner,
      notify: row.notify,
      rotation: row.rotation,
      issuer: row.issuer,
      cn: row.terms.subject.commonName ?? null,
      authority: row.authority && authorityLabel(row.authority, this.plugins, row.readAt),
    };
  }

  private relations({ notifications, destinations, endpoints }: CertificateRow) {
    const now = this.clock.now();
    const when = { before: staleBefore(this.config, now), now };
    return {
      notifications: notifications.map((one) => ({
        id: one.id,
        label: one.label,
        description: one.description,
        active: one.active,
        plugin: this.plugins.label('notification', one.pluginId),
        options: this.plugins.optionValues('notification', one),
      })),
      // Without options: not everyone who may see the certificate may see where a destination delivers.
      destinations: destinations.map(({ id, label, description, pluginId }) => ({
        id,
        label,
        description,
        plugin: this.plugins.label('destination', pluginId),
        options: this.plugins.optionValues('destination', { pluginId, options: {} }),
      })),
      endpoints: endpoints.map((endpoint) => endpointNameView(endpoint, when)),
    };
  }
}

/** A certificate in a response about another object. */
export function certificateLabel(row: LinkedCertificate): CertificateLabel {
  const { id, name, owner, description, rotation, rotationPolicy, issuer, bits } = row;
  return {
    id,
    name,
    owner,
    description,
    lifecycle: row.state,
    status: statusOf(row),
    active: row.notify,
    notify: row.notify,
    rotation,
    rotationPolicy,
    issuer,
    cn: row.subjectCn,
    commonName: row.subjectCn ?? '',
    serial: row.serialHex && serialDecimal(row.serialHex),
    bits,
    body: pemOf('CERTIFICATE', row.bodyDer),
    chain: null,
    csr: pemOf('CERTIFICATE REQUEST', row.csrDer),
    ...validity({ notBefore: new Date(row.notBefore), notAfter: new Date(row.notAfter) }),
  };
}

function pemOf(label: string, base64: string | null): string | null {
  return base64 === null ? null : toPem(label, Buffer.from(base64, 'base64'));
}

/** From the stored terms, since lists never parse X.509. */
function subjectOf({ terms: { subject } }: CertificateRow) {
  return {
    commonName: subject.commonName ?? '',
    country: subject.country ?? null,
    state: subject.state ?? null,
    location: subject.location ?? null,
    organization: subject.organization ?? null,
    organizationalUnit: subject.organizationalUnit ?? null,
  };
}

function pki(row: CertificateRow) {
  return {
    body: row.bodyPem,
    // Null rather than empty when the issuer is a root.
    chain: row.chainPem || null,
    csr: row.csrPem,
    hasPrivateKey: row.hasPrivateKey,
    serial: row.serialHex && serialDecimal(row.serialHex),
    serialHex: row.serialHex,
    fingerprint: row.sha256,
    distinguishedName: row.distinguishedName,
    keyType: row.keyType,
    bits: row.bits,
    keyWeakness: row.keyWeakness,
    signingAlgorithm: row.signingAlgorithm,
    san: row.sanCount > 1 ? true : null,
    extensions: extensionsAsLemur(row.terms),
    ...validity(row),
    askedNotAfter: instantOrNull(askedNotAfter(row.terms)),
  };
}

function validity({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }) {
  const [from, to] = [instant(notBefore), instant(notAfter)];
  return { notBefore: from, notAfter: to, validityStart: from, validityEnd: to };
}

function progress(row: CertificateRow) {
  return {
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
    order: orderView(row),
    withdrawals: row.withdrawals.map(withdrawalView),
    nextNoticeAt: instantOrNull(row.nextNoticeAt),
    heldAt: instantOrNull(row.heldAt),
    revocationCheck: row.revocationCheck && { ...row.revocationCheck, at: instant(new Date(row.revocationCheck.at)) },
    revokedAt: instantOrNull(row.revokedAt),
    revocationReason: row.revocationReason,
    supersededAt: instantOrNull(row.supersededAt),
    awaitsDeployment: row.awaitsDeployment,
  };
}

function withdrawalView({ kind, state, serialHex, attempts, fault, detail, ...times }: WithdrawalRow) {
  return {
    kind,
    state,
    serial: serialHex && serialDecimal(serialHex),
    attempts,
    fault,
    detail,
    nextAttemptAt: times.nextAttemptAt === null ? null : instant(new Date(times.nextAttemptAt)),
    since: instant(new Date(times.createdAt)),
    doneAt: times.doneAt === null ? null : instant(new Date(times.doneAt)),
  };
}

function statusOf({ state }: Pick<CertificateRow, 'state'>): CertificateView['status'] {
  if (state === 'revoked') return 'revoked';
  return state === 'issued' || state === 'superseded' ? 'valid' : 'unknown';
}
