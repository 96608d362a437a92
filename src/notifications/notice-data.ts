import type { NoticeEvent } from '../plugin-api/events.js';

/** The facts of a certificate in a message. */
export interface CertificateFacts {
  id: number;
  name: string;
  commonName: string;
  owner: string;
  serialHex: string;
  notAfter: Date;
}

/** The facts of an authority in a message. */
export interface AuthorityFacts {
  id: number;
  name: string;
  commonName: string;
  owner: string;
  notAfter: Date;
}

/** When the certificate renews automatically, and the last failure; null with the reason when it does not. */
export type RenewalOutlook = { renewsAt: Date; failure?: string } | { renewsAt: null; reason: string };

/** What every message needs besides its facts. `publicUrl` has no slash at its end. */
export interface Setting {
  publicUrl: string;
  now: Date;
}

/** How the certificates of a subscription stand. */
export interface Summary {
  /** How many are watched, how many of them expire within 30 days, and of how many the last renewal failed. */
  watched: number;
  ending: number;
  failing: number;
  certificates: readonly CertificateFacts[];
}

/** The facts of each message by event. Times are shown in UTC. */
export interface NoticeData extends Record<NoticeEvent, Setting> {
  'certificate.issued': Setting & { certificates: readonly CertificateFacts[] };
  /** Found by a source, and not known before. */
  'certificate.discovered': Setting & { certificates: readonly CertificateFacts[] };
  /** A public log shows that they were issued, and nobody requested them here. */
  'certificate.unexpected': Setting & { certificates: readonly (CertificateFacts & { issuer: string })[] };
  /** A scan has seen it at endpoints where it should not be any more. `endpoints` and `servedAt` as below. */
  'certificate.still-served': Setting & {
    certificate: CertificateFacts;
    reason: 'revoked' | 'superseded' | 'expiring';
    endpoints: number;
    servedAt: readonly string[];
  };
  /**
   * `endpoints`: how many endpoints serve the certificate. `servedAt`: the names of the first.
   */
  'certificate.expiring': Setting & {
    certificates: readonly (CertificateFacts & {
      renewal: RenewalOutlook;
      endpoints: number;
      servedAt: readonly string[];
    })[];
  };
  /** `destinations`: labels of the destinations that have the new certificate. */
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
    /** True when a successor exists or will be issued. */
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
    /** `use`: it was delivered, and something else is in use. `rolled-back`: its predecessor was delivered again. */
    what: 'delivery' | 'removal' | 'use' | 'rolled-back';
    reason: string;
    attempts: number;
    nextAttemptAt: Date | null;
  };
  /** Revoked, and still at a destination whose plugin cannot remove it. */
  'delivery.left': Setting & { certificate: CertificateFacts; destination: string };
  /** The CA refused or rejected its order, or does not know it any more. */
  'order.failed': Setting & { certificate: CertificateFacts; reason: string };
  /** Its order was not fulfilled before the deadline. */
  'order.overdue': Setting & { certificate: CertificateFacts; reason: string };
  /** `serialHex` is of the issuer's answer, which is revoked at `deadlineAt`. */
  'order.disputed': Setting & { certificate: CertificateFacts; reason: string; deadlineAt: Date | null };
  /**
   * `kind`: what the CA was asked. `serialHex` of the certificate: of what was to be revoked; empty for an order.
   * `reason`: the last answer of the CA; null when it gave none.
   */
  'withdrawal.given-up': Setting & {
    certificate: CertificateFacts;
    kind: 'cancel' | 'close' | 'revoke' | 'hold' | 'release';
    reason: string | null;
  };
  'authority.expiring': Setting & { authority: AuthorityFacts };
  /**
   * `lists`: how many CRLs of the authority are overdue. `nextUpdate`: of the first one that ends, or has ended; null
   * when none was made yet. `reason`: why the last attempt failed; null when there was none.
   */
  'crl.overdue': Setting & {
    authority: AuthorityFacts;
    lists: number;
    nextUpdate: Date | null;
    reason: string | null;
  };
  /**
   * The program paused a run over many certificates. `reason`: why, and who can resume it. `path`: of the run, below
   * `/api/1`. `waiting`: how many certificates are left.
   */
  'run.paused': Setting & {
    run: {
      id: number;
      kind: 'revocation' | 'replacement';
      path: string;
      creator: string;
      waiting: number;
      done: number;
    };
    reason: string;
  };
  /** Of the certificates of a subscription. `certificates`: the first of those that expire soon. */
  'summary.weekly': Setting & Summary;
}
