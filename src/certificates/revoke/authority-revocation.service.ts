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
import { type Issued, Revocations } from '../../revocation/revocations.js';
import { crlReasons, type RevokeAuthority } from './revoke.schema.js';

/** Revokes the certificates of a CA at the authorities that signed them: its parent, and those that cross-signed it. */
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
      const certificates = [row, ...(await this.issuers.of(tx, id))];
      const certified: Issued[] = [];
      for (const { authority } of signers) {
        const keys = [await this.repository.get(tx, authority.id), ...(await this.issuers.of(tx, authority.id))];
        for (const certificatePem of await certifiedBy(keys, certificates))
          certified.push({ authorityId: authority.id, certificatePem });
      }
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
