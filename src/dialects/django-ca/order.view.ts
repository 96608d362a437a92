import type { Certificate, CertificateState } from '../../certificates/certificate.entity.js';
import { time } from './certificate-object.js';

const statuses: Readonly<Record<CertificateState, 'pending' | 'issued' | 'failed'>> = {
  requested: 'pending',
  pending: 'pending',
  issued: 'issued',
  superseded: 'issued',
  revoked: 'issued',
  failed: 'failed',
  cancelled: 'failed',
};

/** An order in this dialect. */
export interface OrderView {
  /** The id of the certificate. */
  slug: string;
  status: 'pending' | 'issued' | 'failed';
  /** Null until it is issued. */
  serial: string | null;
  created: string;
  updated: string;
  /** The user who made it; until version 2.5. */
  user: string;
  /** Why it failed, or why the last attempt did; django-ca has no such member. */
  detail: string | null;
}

/** Of an order that `username` has made. */
export function orderView(certificate: Certificate, username: string): OrderView {
  const { id, state, serialHex, createdAt, answeredAt, faultDetail } = certificate;
  return {
    slug: String(id),
    status: statuses[state],
    serial: serialHex,
    created: time(createdAt),
    updated: time(answeredAt ?? createdAt),
    user: username,
    detail: faultDetail ?? (state === 'cancelled' ? 'The request was cancelled.' : null),
  };
}
