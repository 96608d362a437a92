import type { AuthorityView } from '../../authorities/authority.schema.js';
import { parseCertificate } from '../../pki/certificate.js';

const dayMs = 86_400_000;

/** An authority as FastPKI shows a CA. */
export interface CaView {
  id: number;
  name: string;
  description: string | null;
  /** RFC 4514 text. */
  subject_dn: string;
  /** Bits. */
  key_size: number;
  valid_days: number;
  created_at: string;
  updated_at: string;
  /** PEM. */
  certificate: string;
  /** The role of the owner. */
  organization_id: number | null;
  created_by_user_id: number | null;
  parent_ca_id: number | null;
  path_length: number | null;
  /** Whether it is active. */
  allow_leaf_certs: boolean;
  crl_base_url: null;
  is_root: boolean;
}

/** A new CA. Keys of CAs are never shown, so `private_key` is null. */
export interface CaDetailView extends CaView {
  private_key: null;
}

export function caView(authority: AuthorityView): CaView {
  const { id, name, owner, description, roles, active, parentId, dateCreated, authorityCertificate } = authority;
  const { body, bits, notBefore, notAfter, user, pathLength } = authorityCertificate;
  return {
    id,
    name,
    description,
    subject_dn: parseCertificate(body).subject,
    key_size: bits,
    valid_days: Math.round((Date.parse(notAfter) - Date.parse(notBefore)) / dayMs),
    created_at: dateCreated,
    updated_at: dateCreated,
    certificate: body,
    organization_id: roles.find((role) => role.name.toLowerCase() === owner.toLowerCase())?.id ?? null,
    created_by_user_id: user?.id ?? null,
    parent_ca_id: parentId,
    path_length: pathLength,
    allow_leaf_certs: active,
    crl_base_url: null,
    is_root: parentId === null,
  };
}
