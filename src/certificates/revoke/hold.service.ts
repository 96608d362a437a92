import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Authorities } from '../../authorities/authorities.js';
import { splitCertificates } from '../../pki/pem.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { Revocations } from '../../revocation/revocations.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Withdrawals } from '../withdraw/withdrawals.js';
import { crlReasons } from './revoke.schema.js';

/** The audit event and the CRLReason of each verb. */
const words = {
  hold: { action: 'certificate.held', reason: crlReasons.certificateHold },
  release: { action: 'certificate.released', reason: crlReasons.removeFromCRL },
} as const;

/**
 * Puts a certificate on hold at its CA (RFC 5280 §5.3.1 certificateHold), or releases it. A job asks the CA until it
 * confirms; the last request counts. Here nothing else changes: the certificate stays delivered, and is renewed.
 */
@Injectable()
export class HoldService {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly withdrawals: Withdrawals,
    private readonly audit: Audit,
    private readonly clock: Clock,
    private readonly revocations: Revocations,
  ) {}

  /**
   * Throws Problem `forbidden`, `wrong-state` unless the certificate is issued or superseded, or `conflict` when its
   * issuer is unknown; PluginError `misconfigured` when the issuer cannot hold certificates.
   */
  async ask(actor: Actor, id: number, verb: keyof typeof words, comments?: string): Promise<void> {
    const { action, reason } = words[verb];
    const known = await this.certificates.get(this.db.single, id);
    await this.access.demandWrite(this.db.single, actor, known);
    const { name, authorityId } = known;
    if (authorityId !== null) await this.authorities.demandRevoking(authorityId, 'hold');
    await this.db.write(async (tx) => {
      const certificate = await this.certificates.lock(tx, id);
      for (const one of [certificate, ...(await this.certificates.twinsOf(tx, certificate))])
        await this.access.demandWrite(tx, actor, one);
      const { state, fullChainPem, externalId } = certificate;
      if (state !== 'issued' && state !== 'superseded')
        throw new Problem('wrong-state', `Certificate ${name} is ${state}; the CA can neither hold nor release it.`);
      if (authorityId === null)
        throw new Problem('conflict', 'The issuer of an imported certificate is not known here: ask it there.');
      const answer = { chainPem: splitCertificates(fullChainPem), externalId };
      const issued = { authorityId, certificatePem: answer.chainPem[0] ?? '' };
      await this.revocations.apply(tx, issued, { reason, revokedAt: this.clock.now() });
      await this.withdrawals.suspend(tx, certificate, answer, { reason, comments: comments ?? null });
      await this.audit.record(tx, actor, { action, targetType: 'certificate', targetId: id, after: { comments } });
    });
  }
}
