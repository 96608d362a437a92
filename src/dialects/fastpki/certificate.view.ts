import type { CertificateRow } from '../../certificates/certificate.row.js';
import { EXTENDED_KEY_USAGES } from '../../pki/extensions.js';
import { instant, instantOrNull } from '../../platform/http/instant.js';
import type { CertificateType } from './certificate.schema.js';

const dayMs = 86_400_000;

/** A certificate as FastPKI shows it. `pending`, `failed` and `cancelled` are not FastPKI's: without `certificate`. */
export interface CertificateView {
  id: number;
  common_name: string;
  /** RFC 4514 text. */
  subject_dn: string;
  certificate_type: CertificateType;
  /** Bits. */
  key_size: number;
  valid_days: number;
  status: 'valid' | 'revoked' | 'expired' | 'pending' | 'failed' | 'cancelled';
  /** PEM. */
  certificate: string | null;
  /** Lower hex without leading zeros. */
  serial_number: string | null;
  not_before: string;
  not_after: string;
  revoked_at: string | null;
  created_at: string;
  updated_at: string;
  /** The authority. */
  issuer_id: number | null;
  /** The role of the owner. */
  organization_id: number | null;
  created_by_user_id: number | null;
}

/** With the private key, as PKCS#8 PEM; null where it is not here or was not asked for. */
export interface CertificateDetailView extends CertificateView {
  private_key: string | null;
}

/** `now` decides whether it has expired. */
export function certificateView(row: CertificateRow, now: Date): CertificateView {
  const changes = [row.createdAt, row.revokedAt, row.supersededAt].map((date) => date?.getTime() ?? 0);
  return {
    id: row.id,
    common_name: row.terms.subject.commonName ?? '',
    subject_dn: row.distinguishedName,
    certificate_type: typeOf(row),
    key_size: row.bits,
    valid_days: Math.round((row.notAfter.getTime() - row.notBefore.getTime()) / dayMs),
    status: statusOf(row, now),
    certificate: row.bodyPem,
    serial_number: row.serialHex && row.serialHex.toLowerCase(),
    not_before: instant(row.notBefore),
    not_after: instant(row.notAfter),
    revoked_at: instantOrNull(row.revokedAt),
    created_at: instant(row.createdAt),
    updated_at: instant(new Date(Math.max(...changes))),
    issuer_id: row.authority?.id ?? null,
    organization_id: row.roles.find(({ name }) => name.toLowerCase() === row.owner.toLowerCase())?.id ?? null,
    created_by_user_id: row.creatorId,
  };
}

/** By its extended key usages, whatever the profile is called. */
function typeOf({ terms: { found, extendedKeyUsage } }: CertificateRow): CertificateType {
  if (found?.isCa) return 'ca';
  const has = (name: string): boolean => extendedKeyUsage.includes(EXTENDED_KEY_USAGES[name] ?? name);
  if (!has('clientAuth')) return 'server';
  return has('serverAuth') ? 'dual_purpose' : 'client';
}

function statusOf({ state, notAfter }: CertificateRow, now: Date): CertificateView['status'] {
  switch (state) {
    case 'requested':
      return 'pending';
    case 'issued':
    case 'superseded':
      return notAfter < now ? 'expired' : 'valid';
    default:
      return state;
  }
}
