import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../../authorities/authorities.js';
import { isSameKey } from '../../pki/key.js';
import { keyWeakness } from '../../pki/weak-keys.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { blame } from '../../platform/http/blame.js';
import { invalid } from '../../platform/http/problem.js';
import { KnownBadKeys } from '../../platform/known-bad-keys.js';

// The rules on keys that come with requests: which of them may be certified, and for which owner.

/** A key that came with a request, and the owner of the certificate for it. */
export interface KeyClaim {
  /** SHA-256 of the SubjectPublicKeyInfo, lower hex. */
  spkiSha256: string;
  owner: string;
}

/** Keys with their owners, in the same order, as `claim_keys` takes them. `shared`: owners may share a key. */
export interface KeyClaims {
  keys: readonly string[];
  owners: readonly string[];
  now: Date;
  shared: boolean;
}

/** Why a key must not be certified for an owner. The second counts only without ALLOW_SHARED_KEYS. */
export interface KeyFault {
  isCompromised: boolean;
  isOfAnother: boolean;
}

/** Decides whether the key of a CSR may be certified: not weak, not compromised, and not of another owner or a CA. */
@Injectable()
export class KeyRules {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly knownBadKeys: KnownBadKeys,
  ) {}

  /**
   * Demands a key that is not weak and not a key of the authority. Other certificates with this key are checked when
   * the certificate is stored; see `claim`. Throws Problem `invalid-request` that blames `csr`.
   */
  demandUsable(spkiDer: Buffer, { caKeys }: LoadedAuthority): void {
    const weakness = blame('csr', () => keyWeakness(spkiDer, this.knownBadKeys));
    if (weakness !== null) throw invalid('csr', `${weakness}; make a new key.`);
    if (caKeys.some((caKey) => isSameKey(caKey, spkiDer)))
      throw invalid('csr', 'The key is that of a CA; make a new key.');
  }

  /**
   * Demands that no other owner has these keys and that none is known to be compromised. Until `tx` ends, transactions
   * that claim or compromise one of them wait. Call it before `tx` locks a certificate. Throws Problem
   * `invalid-request` that blames `csr`.
   */
  async claim(tx: Tx, claims: readonly KeyClaim[]): Promise<void> {
    if (claims.length === 0) return;
    this.demandOneOwner(claims);
    const { keys, owners, now } = this.claimed(claims);
    const faults = await tx.query<KeyFault[]>(
      'select is_compromised as "isCompromised", is_of_another as "isOfAnother" from claim_keys($1, $2, $3)',
      [keys, owners, now],
    );
    faults.forEach((fault) => this.demandFaultless(fault));
  }

  /** As `claim`, for a request that is refused anyway: locks nothing for longer than the query. Throws as `claim`. */
  async demandUnclaimed(claim: KeyClaim): Promise<void> {
    await this.claim(this.db.single, [claim]);
  }

  /** The arguments of `claim_keys` (see migrations/), and whether owners may share a key. */
  claimed(claims: readonly KeyClaim[]): KeyClaims {
    const keys = claims.map(({ spkiSha256 }) => spkiSha256);
    return {
      keys,
      owners: claims.map(({ owner }) => owner),
      now: this.clock.now(),
      shared: this.config.allowSharedKeys,
    };
  }

  /** Throws Problem `invalid-request` for two claims of one key by two owners. */
  demandOneOwner(claims: readonly KeyClaim[]): void {
    const owners = new Map(claims.map(({ spkiSha256, owner }) => [spkiSha256, owner.toLowerCase()]));
    if (claims.some(({ spkiSha256, owner }) => owners.get(spkiSha256) !== owner.toLowerCase())) this.demandUnshared();
  }

  /** Throws Problem `invalid-request` for a fault that `claim_keys` reports. */
  demandFaultless({ isCompromised, isOfAnother }: KeyFault): void {
    if (isCompromised)
      throw invalid('csr', 'A certificate with this key was revoked because the key is compromised; make a new key.');
    if (isOfAnother) this.demandUnshared();
  }

  private demandUnshared(): void {
    if (!this.config.allowSharedKeys)
      throw invalid('csr', 'A certificate of another owner has this key (ALLOW_SHARED_KEYS); make a new key.');
  }
}

/** Locks keys until `tx` ends. Call it before a key is stored, or recorded as compromised. */
export async function lockKeys(tx: Tx, spkiSha256s: readonly string[]): Promise<void> {
  // Sorted, so that two transactions do not deadlock.
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('certificate.key:' || key, 0)) from unnest($1::text[]) key`,
    [[...new Set(spkiSha256s)].sort()],
  );
}
