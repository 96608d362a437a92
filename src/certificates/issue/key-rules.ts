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

/** Decides which keys that others have made are certified. */
@Injectable()
export class KeyRules {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /**
   * Demands a key whose private half nobody can find or has lost, that is not the authority's, and that no other owner
   * has. Throws Problem `invalid-request` that blames `csr`.
   */
  async demandUsable(spkiDer: Buffer, owner: string, { authority }: LoadedAuthority): Promise<void> {
    const weakness = blame('csr', () => keyWeakness(spkiDer, this.config.knownBadKeys));
    if (weakness !== null) throw invalid('csr', `${weakness}; make a new key.`);
    if (
      [authority.certificatePem, ...authority.chainPem].some((pem) => isSameKey(parseCertificate(pem).spkiDer, spkiDer))
    )
      throw invalid('csr', 'The key is that of a CA; make a new key.');
    const known = await this.known(this.db.single, spkiHash(spkiDer), owner);
    if (known.isCompromised)
      throw invalid('csr', 'A certificate with this key was revoked because the key is compromised; make a new key.');
    if (known.isOfAnother && !this.config.allowSharedKeys)
      throw invalid('csr', 'A certificate of another owner has this key (ALLOW_SHARED_KEYS); make a new key.');
  }

  private async known(
    tx: Tx,
    spkiSha256: string,
    owner: string,
  ): Promise<{ isCompromised: boolean; isOfAnother: boolean }> {
    const [row] = await tx.query<{ isCompromised: boolean; isOfAnother: boolean }[]>(
      `select coalesce(bool_or(revocation_reason = 1), false) as "isCompromised",
              coalesce(bool_or(lower(owner) <> lower($2) and not_after > $3 and deleted_at is null
                and state in ('requested', 'pending', 'issued', 'superseded')), false) as "isOfAnother"
         from certificate where spki_sha256 = $1`,
      [spkiSha256, owner, this.clock.now()],
    );
    return row ?? { isCompromised: false, isOfAnother: false };
  }
}
