import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Authorities } from '../../authorities/authorities.js';
import { AuthorityIssuerRepository } from '../../authorities/authority-issuer.repository.js';
import { AuthorityRepository, viewerOf } from '../../authorities/authority.repository.js';
import { demandRight } from '../../authorities/authority-store.js';
import type { CaChain } from '../../authorities/ca-chain.js';
import { isSignedBy, parseCertificate } from '../../pki/certificate.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { Revocations } from '../../revocation/revocations.js';
import { crlReasons, type RevokeAuthority } from './revoke.schema.js';

/** Revokes the certificates of a subordinate CA at its parent, whose key is here. */
@Injectable()
export class AuthorityRevocation {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly repository: AuthorityRepository,
    private readonly issuers: AuthorityIssuerRepository,
    private readonly revocations: Revocations,
    private readonly audit: Audit,
  ) {}

  /**
   * Revokes what the parent certified, and stops the authority. Whoever may change the parent may do so, since its CRL
   * says it. Throws Problem `not-found`, `forbidden`, and `conflict` when the key of the parent is not here or
   * everything is revoked already.
   */
  async revoke(actor: Actor, id: number, { crlReason, comments, invalidityDate }: RevokeAuthority): Promise<void> {
    await this.repository.demandVisible(this.db.single, id, viewerOf(actor));
    const loaded = await this.authorities.get(id);
    const { name, parentId } = loaded.authority;
    const parent = parentId === null ? null : await this.authorities.get(parentId);
    const decides = parent ?? loaded;
    demandRight(actor, decides.authority, decides.roles);
    if (!parent || parent.authority.keyId === null)
      throw new Problem('conflict', `No authority whose key is here has certified ${name}: revoke it at its CA.`);
    await this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      // Read behind the lock: a renewal may have been stored since it was loaded.
      const issuers = [row, ...(await this.issuers.of(tx, id))];
      const ownOfParent = await this.repository.get(tx, parent.authority.id);
      const signers = [ownOfParent, ...(await this.issuers.of(tx, parent.authority.id))];
      const certificates = await certifiedBy(signers, issuers);
      const given = { reason: crlReasons[crlReason], revokedAt: this.clock.now(), invalidityDate };
      const serials: string[] = [];
      for (const certificatePem of certificates)
        if (await this.revocations.add(tx, { authorityId: parent.authority.id, certificatePem }, given))
          serials.push(parseCertificate(certificatePem).serialHex);
      if (serials.length === 0)
        throw new Problem('conflict', `The certificate of authority ${name} is revoked already.`);
      row.active = false;
      await this.repository.save(tx, row);
      await this.audit.record(tx, actor, {
        action: 'authority.revoked',
        targetType: 'authority',
        targetId: id,
        after: { crlReason, comments, invalidityDate, serials, parent: parent.authority.name },
      });
    });
  }
}

/** Those of `issuers` that a key of one of `by` has signed. */
async function certifiedBy(by: readonly CaChain[], issuers: readonly CaChain[]): Promise<string[]> {
  const signers = by.map(({ certificatePem }) => parseCertificate(certificatePem));
  const certified: string[] = [];
  for (const { certificatePem } of issuers) {
    const certificate = parseCertificate(certificatePem);
    const checks = await Promise.all(signers.map((signer) => isSignedBy(certificate, signer)));
    if (checks.includes(true)) certified.push(certificatePem);
  }
  return certified;
}
