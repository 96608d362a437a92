import type { NoticeEvent } from '../plugin-api/events.js';

/** A certificate as a mail speaks of it. */
export interface CertificateFacts {
  id: number;
  name: string;
  commonName: string;
  owner: string;
  serialHex: string;
  notAfter: Date;
}

/** An authority as a mail speaks of it. */
export interface AuthorityFacts {
  id: number;
  name: string;
  commonName: string;
  owner: string;
  notAfter: Date;
}

/** When it renews by itself, and what stood in the way so far; null with the reason why it does not. */
export type RenewalOutlook = { renewsAt: Date; failure?: string } | { renewsAt: null; reason: string };

/** What every message needs besides its facts. `publicUrl` has no slash at its end. */
export interface Setting {
  publicUrl: string;
  now: Date;
}

/** The facts of each message by event. Times are shown in UTC. */
export interface NoticeData extends Record<NoticeEvent, Setting> {
  'certificate.issued': Setting & { certificates: readonly CertificateFacts[] };
  /** Found by a source, and not known before. */
  'certificate.discovered': Setting & { certificates: readonly CertificateFacts[] };
  /**
   * `servedAt`: names of endpoints that were seen to serve it, as many as are worth a line. `endpoints`: how many there
   * are.
   */
  'certificate.expiring': Setting & {
    certificates: readonly (CertificateFacts & {
      renewal: RenewalOutlook;
      endpoints: number;
      servedAt: readonly string[];
    })[];
  };
  /** `destinations`: labels of where the new certificate was put. */
  'certificate.rotated': Setting & {
    before: CertificateFacts;
    after: CertificateFacts;
    destinations: readonly string[];
  };
  'certificate.rotation-failed': Setting & {
    certificate: CertificateFacts;
    reason: string;
    nextAttemptAt: Date | null;
  };
  /** Renewed, but nothing delivers it. */
  'certificate.no-destination': Setting & { before: CertificateFacts; after: CertificateFacts };
  'certificate.revoked': Setting & {
    certificate: CertificateFacts;
    reason: string;
    comments: string | null;
    /** True when a successor is issued, or is there already. */
    replaced: boolean;
    revokedAt: Date;
  };
  /** To the former owner. */
  'certificate.taken-over': Setting & { certificate: CertificateFacts; formerOwner: string };
  /** `vouchingRole`: the role by whose rights on names it renews until the new owner accepts; null for none. */
  'certificate.handed-over': Setting & {
    certificate: CertificateFacts;
    formerOwner: string;
    vouchingRole: string | null;
  };
  'delivery.failing': Setting & {
    certificate: CertificateFacts;
    destination: string;
    /** True when it is to be removed from there. */
    removal: boolean;
    reason: string;
    attempts: number;
    nextAttemptAt: Date | null;
  };
  /** Revoked, and still where nothing can remove it. */
  'delivery.left': Setting & { certificate: CertificateFacts; destination: string };
  /** Its order was not fulfilled before the deadline. */
  'order.overdue': Setting & { certificate: CertificateFacts; reason: string };
  /** `serialHex` of the certificate is that of the answer. `deadlineAt`: then the answer is revoked. */
  'order.disputed': Setting & { certificate: CertificateFacts; reason: string; deadlineAt: Date | null };
  /**
   * `kind`: what the CA was asked. `serialHex` of the certificate: of what was to be revoked; empty for an order.
   * `reason`: the last answer of the CA; null when it gave none.
   */
  'withdrawal.given-up': Setting & { certificate: CertificateFacts; kind: 'cancel' | 'revoke'; reason: string | null };
  'authority.expiring': Setting & { authority: AuthorityFacts };
}
