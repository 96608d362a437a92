import { Injectable } from '@nestjs/common';
import { Authorities } from '../../authorities/authorities.js';
import { AuthorityRepository, viewerOf } from '../../authorities/authority.repository.js';
import { demandRight } from '../../authorities/authority-store.js';
import { parseCrl } from '../../pki/crl-reader.js';
import { REVOCATION_REASONS } from '../../pki/distribution-points.js';
import { Database } from '../../platform/db/database.js';
import { blame } from '../../platform/http/blame.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { type ImportedCount, ImportedRevocations } from '../../revocation/imported-revocations.js';
import type { ImportedRevocation } from '../../revocation/revoked.repository.js';
import { RevocationRecord } from '../verify/revocation-checking.js';
import { IssuedStatusRepository } from './issued-status.repository.js';
import { crlReasons } from './revoke.schema.js';

/** Imports the CRL of a CA that was run elsewhere: what it revoked there is revoked here. */
@Injectable()
export class RevocationImport {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
    private readonly imported: ImportedRevocations,
    private readonly issued: IssuedStatusRepository,
    private readonly record: RevocationRecord,
  ) {}

  /**
   * `crl` is DER or PEM. Whoever may change the authority may do so. Throws Problem `not-found`, `forbidden`,
   * `conflict` when the key of the authority is elsewhere, and as ImportedRevocations.
   */
  async run(actor: Actor, id: number, crl: Buffer): Promise<ImportedCount & { revoked: number }> {
    await this.repository.demandVisible(this.db.single, id, viewerOf(actor));
    const loaded = await this.authorities.get(id);
    const { authority, roles } = loaded;
    demandRight(actor, authority, roles);
    if (authority.keyId === null)
      throw new Problem('conflict', `Authority ${authority.name} has its key elsewhere, and its CRL with it.`);
    const parsed = blame('crl', () => parseCrl(crl));
    let revoked = 0;
    const count = await this.imported.take(actor, loaded, parsed, async (part) => {
      revoked += await this.revokeHere(actor, id, part);
    });
    return { ...count, revoked };
  }

  /** Revokes the certificates that are known here; a hold changes nothing of them. */
  private async revokeHere(actor: Actor, authorityId: number, part: readonly ImportedRevocation[]): Promise<number> {
    const bySerial = new Map(part.map((one) => [one.serialHex, one]));
    const found = await this.issued.inForce(this.db.single, authorityId, [...bySerial.keys()]);
    let revoked = 0;
    for (const { id, serialHex } of found) {
      const { reason, revokedAt } = bySerial.get(serialHex) as ImportedRevocation;
      if (reason === crlReasons.certificateHold) continue;
      const facts = {
        status: 'revoked' as const,
        why: 'In the CRL that was imported',
        source: 'crl' as const,
        revokedAt,
        reason: REVOCATION_REASONS[reason],
      };
      await this.db.write((tx) => this.record.revokedAtCa(tx, actor, id, facts));
      revoked += 1;
    }
    return revoked;
  }
}
