import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Authorities } from '../../authorities/authorities.js';
import { AuthorityRepository, viewerOf } from '../../authorities/authority.repository.js';
import { demandRight } from '../../authorities/authority-store.js';
import { parseCertificate } from '../../pki/certificate.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { CertifiedCas } from '../../revocation/certified-cas.js';
import { Revocations } from '../../revocation/revocations.js';
import { crlReasons, type RevokeAuthority } from './revoke.schema.js';

/** Revokes the certificates of a CA at the authorities that signed them: its parent, and those that cross-signed it. */
@Injectable()
export class AuthorityRevocation {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
    private readonly certified: CertifiedCas,
    private readonly revocations: Revocations,
    private readonly audit: Audit,
  ) {}

  /**
   * Revokes what authorities whose key is here have certified, and stops the authority. Whoever may change all of these
   * may do so, since their CRLs say it. Throws Problem `not-found`, `forbidden`, and `conflict` when there are none or
   * everything is revoked already.
   */
  async revoke(actor: Actor, id: number, { crlReason, comments, invalidityDate }: RevokeAuthority): Promise<void> {
    await this.repository.demandVisible(this.db.single, id, viewerOf(actor));
    const loaded = await this.authorities.get(id);
    const { name } = loaded.authority;
    const ids = await this.repository.signersOf(this.db.single, loaded.authority);
    const certifiers = await Promise.all(ids.map((signerId) => this.authorities.get(signerId)));
    for (const { authority, roles } of ids.length > 0 ? certifiers : [loaded]) demandRight(actor, authority, roles);
    const signers = certifiers.filter(({ authority }) => authority.keyId !== null);
    if (signers.length === 0)
      throw new Problem('conflict', `No authority whose key is here has certified ${name}: revoke it at its CA.`);
    await this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      // Read behind the lock: a renewal or a cross-certificate may have been stored since it was loaded.
      if ((await this.repository.signersOf(tx, row)).some((signerId) => !ids.includes(signerId)))
        throw new Problem('conflict', `Authority ${name} was signed by another one meanwhile: revoke it again.`);
      const certified = await this.certified.of(
        tx,
        row,
        signers.map(({ authority }) => authority.id),
      );
      const given = { reason: crlReasons[crlReason], revokedAt: this.clock.now(), invalidityDate };
      const serials: string[] = [];
      for (const issued of certified)
        if (await this.revocations.add(tx, issued, given))
          serials.push(parseCertificate(issued.certificatePem).serialHex);
      if (serials.length === 0)
        throw new Problem('conflict', `The certificate of authority ${name} is revoked already.`);
      row.active = false;
      await this.repository.save(tx, row);
      await this.audit.record(tx, actor, {
        action: 'authority.revoked',
        targetType: 'authority',
        targetId: id,
        after: {
          crlReason,
          comments,
          invalidityDate,
          serials,
          signers: signers.map(({ authority }) => authority.name),
        },
      });
    });
  }
}
