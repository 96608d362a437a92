import type { FoundTrouble } from './source.js';

/** What a CA says of a certificate that it issued. `held`: revoked for the time being (certificateHold). */
export const heldStatuses = ['valid', 'held', 'revoked', 'expired'] as const;
export type HeldStatus = (typeof heldStatuses)[number];

/**
 * A certificate that the CA holds. `chainPem` is leaf first, then possible issuers in any order; it may lack them.
 * Nothing of it has been checked. `location` is unique at this CA and never changes, e.g. the serial number.
 */
export interface HeldCertificate {
  kind: 'certificate';
  chainPem: readonly string[];
  location: string;
  /** As in Outcome. */
  externalId?: string;
  status: HeldStatus;
  revokedAt?: Date;
  /** CRLReason code of RFC 5280 §5.3.1. */
  reason?: number;
  /** E-mail address of whoever asked the CA for it. */
  owner?: string;
}

/** Which certificates: those that match every member that is given. */
export interface ListRequest {
  /** Part of the subject's common name, in any letter case. */
  commonName?: string;
  /** The serial number in hex, without leading zeros. */
  serialHex?: string;
  status?: HeldStatus;
  /** So many that match are passed over. */
  skip?: number;
}

export type Held = HeldCertificate | FoundTrouble;
