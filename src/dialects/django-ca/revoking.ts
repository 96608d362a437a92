import { Injectable } from '@nestjs/common';
import { CertificateRepository } from '../../certificates/certificate.repository.js';
import type { IssuedCertificate } from '../../certificates/list/issued-certificate.repository.js';
import { HoldService } from '../../certificates/revoke/hold.service.js';
import { RevokeService } from '../../certificates/revoke/revoke.service.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { RevokeBody } from './revoke.schema.js';

/** Clients compare this text. */
export const alreadyRevoked = new Problem('wrong-state', 'The certificate is already revoked.');

/** Revokes as django-ca has it, where holding and releasing are revocations with a reason of their own. */
@Injectable()
export class Revoking {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly revocation: RevokeService,
    private readonly holding: HoldService,
  ) {}

  /** Throws as RevokeService and HoldService; `wrong-state` with that text for what is revoked or on hold already. */
  async revoke(actor: Actor, { id, state, heldAt }: IssuedCertificate, body: RevokeBody): Promise<void> {
    const { reason: crlReason, compromised: invalidityDate } = body;
    if (state === 'revoked' || (crlReason === 'certificateHold' && heldAt !== null)) throw alreadyRevoked;
    if (crlReason === 'certificateHold') return this.holding.ask(actor, id, 'hold');
    if (crlReason === 'removeFromCRL') {
      if (heldAt === null) throw new Problem('wrong-state', 'The certificate is not on hold.');
      return this.holding.ask(actor, id, 'release');
    }
    try {
      await this.revocation.revoke(actor, id, { crlReason, invalidityDate });
    } catch (error) {
      // Another request may have revoked it at the same time.
      const now = error instanceof Problem && (await this.certificates.find(this.db.single, id));
      throw now && now.state === 'revoked' ? alreadyRevoked : error;
    }
  }
}
