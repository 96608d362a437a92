import type { Authority } from '../../authorities/authority.entity.js';
import { responderValidityMs } from '../../revocation/ocsp/ocsp-responder-maker.js';
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

/** What is shown of a CA beside its row. */
export interface CaContext {
  /** Decides whether it can still sign. */
  now: Date;
  ocspValidityHours: number;
}

export function caView(authority: Authority, { now, ocspValidityHours }: CaContext): CaView {
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
    ocsp_response_validity: ocspValidityHours * 3600,
    ocsp_responder_key_validity: Math.round(responderValidityMs / 86_400_000),
    ...certificateMembers(certificatePem, authority),
  };
}
