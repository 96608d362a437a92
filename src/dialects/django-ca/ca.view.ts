import type { Authority } from '../../authorities/authority.entity.js';
import { type CertificateMembers, certificateMembers, time } from './certificate-object.js';

/** A CA in this dialect, with the members of both generations. */
export interface CaView extends CertificateMembers {
  id: number;
  name: string;
  enabled: boolean;
  api_enabled: true;
  can_sign_certificates: boolean;
  /** The id of the CA above it; null for a root, and where that CA is elsewhere. */
  parent: number | null;
  created: string;
  updated: string;
  revoked: false;
  revoked_date: null;
  revoked_reason: '';
  compromised: null;
  [setting: string]: unknown;
}

/** Settings of a CA that have no counterpart here, at their defaults. */
const without = {
  key_backend_alias: 'default',
  ocsp_key_backend_alias: 'default',
  sign_authority_information_access: null,
  sign_certificate_policies: null,
  sign_crl_distribution_points: null,
  sign_issuer_alternative_name: null,
  caa_identity: '',
  website: '',
  terms_of_service: '',
  acme_enabled: false,
  acme_registration: false,
  acme_profile: '',
  acme_requires_contact: false,
} as const;

/** `now` decides whether it can still sign. */
export function caView(authority: Authority, now: Date): CaView {
  const { id, name, active, parentId, createdAt, certificatePem } = authority;
  const created = time(createdAt);
  return {
    id,
    name,
    enabled: active,
    api_enabled: true,
    can_sign_certificates: active && authority.notAfter > now,
    parent: parentId,
    created,
    updated: created,
    revoked: false,
    revoked_date: null,
    revoked_reason: '',
    compromised: null,
    ...without,
    ...certificateMembers(certificatePem, authority),
  };
}
