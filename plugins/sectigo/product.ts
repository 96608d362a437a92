import type { OrderRequest, RevocationRequest } from '../../src/plugin-api/issuer.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { sectigoCode } from './sectigo.client.js';
import type { Profile } from './profile.js';

/**
 * How far Sectigo is with an order. `ready`: its certificate can be collected. `over`: it ended without one, or with
 * one that is revoked.
 */
export interface OrderState {
  phase: 'waiting' | 'ready' | 'over';
  /** For people. */
  words: string;
  /** Whether a person has to approve it. */
  needsApproval: boolean;
}

/** Server or client certificates: what Sectigo does alike for both, with other paths and members. */
export interface Product {
  /** The reference of the new order. */
  enrol(order: OrderRequest, profile: Profile): Promise<string>;
  /** The reference of an order for this request that exists already. */
  find(order: OrderRequest): Promise<string | null>;
  state(orderRef: string, order: OrderRequest): Promise<OrderState>;
  /** What Sectigo sends as the certificate and its chain, in a form and order that vary; null: not yet. */
  collect(orderRef: string): Promise<Buffer | null>;
  /** The reference of the certificate that was issued last with this profile. */
  newest(): Promise<string | null>;
  /** By reference where there is one, else by serial number. */
  revoke(which: { orderRef?: string; serialHex: string }, reason: RevocationReason): Promise<void>;
  /** Whether a certificate that Sectigo does not revoke is revoked already. */
  isRevoked(orderRef: string): Promise<boolean>;
  /** Withdraws an order that nobody has approved yet. Refused for any other. */
  decline(orderRef: string): Promise<void>;
  /** Whether an order that Sectigo does not decline has ended already. */
  isDeclined(orderRef: string): Promise<boolean>;
  /** What is in this state, in an order that stays the same. */
  listed(status: ListedStatus): AsyncIterable<Listed>;
}

/** States in which Sectigo hands certificates out. */
export type ListedStatus = 'issued' | 'expired';

/** An entry of Sectigo's list. `serialHex` and `commonName` are absent where it does not say them. */
export interface Listed {
  orderRef: string;
  serialHex?: string;
  commonName?: string;
}

/** A serial number as Sectigo writes it, perhaps with colons and leading zeros; undefined for none. */
export function serialHexOf(text: string | null | undefined): string | undefined {
  const digits = (text ?? '').replaceAll(':', '').toUpperCase().replace(/^0+/, '');
  return /^[0-9A-F]+$/.test(digits) ? digits : undefined;
}

export interface RevocationReason {
  reasonCode: number;
  reason: string;
}

/** Codes with which collecting is answered, status 400, while there is no certificate yet. */
const notYet = [0, -103, -109, -183, -1400];
/** Codes that say for good that there will be none. */
const never = [-110, -124, -192];
const knownReasons = [0, 1, 3, 4, 5];

/** Runs the request that collects. Null when there is no certificate yet; a code that nobody knows counts as that. */
export async function orNotYet(collect: () => Promise<{ body: Buffer }>): Promise<Buffer | null> {
  try {
    return (await collect()).body;
  } catch (error) {
    const code = sectigoCode(error);
    if (code === undefined || never.includes(code)) throw error;
    if (notYet.includes(code)) return null;
    throw error instanceof PluginError && error.fault === 'refused'
      ? new PluginError('unavailable', error.detail, undefined, { cause: error })
      : error;
  }
}

/** Throws PluginError `refused` for a reason that Sectigo has not. */
export function reasonOf({ reason, comments }: RevocationRequest): RevocationReason {
  if (!knownReasons.includes(reason))
    throw new PluginError(
      'refused',
      `Sectigo does not revoke with reason ${reason}; it knows unspecified (0), key compromise (1), ` +
        'affiliation changed (3), superseded (4) and cessation of operation (5).',
    );
  return { reasonCode: reason, reason: (comments?.trim() || 'Revoked').slice(0, 512) };
}
