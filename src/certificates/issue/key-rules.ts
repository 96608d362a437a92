import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../../authorities/authorities.js';
import { parseCertificate } from '../../pki/certificate.js';
import { isSameKey, spkiHash } from '../../pki/key.js';
import { keyWeakness } from '../../pki/weak-keys.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { blame } from '../../platform/http/blame.js';
import { invalid } from '../../platform/http/problem.js';
import { KnownBadKeys } from '../../platform/known-bad-keys.js';

/** A key, and the owner of the certificate that is to have it. */
export interface KeyClaim {
  /** SHA-256 of the SubjectPublicKeyInfo, lower hex. */
  spkiSha256: string;
  owner: string;
}

/** Decides which keys that others have made are certified. */
@Injectable()
export class KeyRules {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly knownBadKeys: KnownBadKeys,
  ) {}

  /**
   * Demands a key whose private half nobody can find or has lost, that is not the authority's, and that no other owner
   * has: the last may change until the certificate is stored, see `claim`. Throws Problem `invalid-request` that blames
   * `csr`.
   */
  async demandUsable(spkiDer: Buffer, owner: string, { authority }: LoadedAuthority): Promise<void> {
    const weakness = blame('csr', () => keyWeakness(spkiDer, this.knownBadKeys));
    if (weakness !== null) throw invalid('csr', `${weakness}; make a new key.`);
    if (
      [authority.certificatePem, ...authority.chainPem].some((pem) => isSameKey(parseCertificate(pem).spkiDer, spkiDer))
    )
      throw invalid('csr', 'The key is that of a CA; make a new key.');
    await this.demandFree(this.db.single, [{ spkiSha256: spkiHash(spkiDer), owner }]);
  }

  /**
   * As `demandUsable`, of keys that are about to be stored with their owners, as far as it depends on other
   * certificates: until `tx` ends, transactions that claim or compromise one of these keys wait. Call it before the
   * transaction locks a certificate. Throws Problem `invalid-request` that blames `csr`.
   */
  async claim(tx: Tx, claims: readonly KeyClaim[]): Promise<void> {
    if (claims.length === 0) return;
    await lockKeys(
      tx,
      claims.map(({ spkiSha256 }) => spkiSha256),
    );
    const owners = new Map(claims.map(({ spkiSha256, owner }) => [spkiSha256, owner.toLowerCase()]));
    if (claims.some(({ spkiSha256, owner }) => owners.get(spkiSha256) !== owner.toLowerCase())) this.demandUnshared();
    await this.demandFree(tx, claims);
  }

  private async demandFree(tx: Tx, claims: readonly KeyClaim[]): Promise<void> {
    const [known] = await tx.query<{ isCompromised: boolean; isOfAnother: boolean }[]>(
      `select coalesce(bool_or(c.revocation_reason = 1), false) as "isCompromised",
              coalesce(bool_or(lower(c.owner) <> lower(claim.owner) and c.not_after > $3 and c.deleted_at is null
                and c.state in ('requested', 'pending', 'issued', 'superseded')), false) as "isOfAnother"
         from unnest($1::text[], $2::text[]) as claim (key, owner) join certificate c on c.spki_sha256 = claim.key`,
      [claims.map(({ spkiSha256 }) => spkiSha256), claims.map(({ owner }) => owner), this.clock.now()],
    );
    if (known?.isCompromised)
      throw invalid('csr', 'A certificate with this key was revoked because the key is compromised; make a new key.');
    if (known?.isOfAnother) this.demandUnshared();
  }

  private demandUnshared(): void {
    if (!this.config.allowSharedKeys)
      throw invalid('csr', 'A certificate of another owner has this key (ALLOW_SHARED_KEYS); make a new key.');
  }
}

/** Until `tx` ends, others who lock one of these keys wait. Lock before a key is stored, or said to be compromised. */
export async function lockKeys(tx: Tx, spkiSha256s: readonly string[]): Promise<void> {
  // All in one order, or two transactions could wait for each other.
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('certificate.key:' || key, 0)) from unnest($1::text[]) key`,
    [[...new Set(spkiSha256s)].sort()],
  );
}
