import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { mayVouchFor } from '../../roles/permission.js';
import { type Certificate, ownerVouches } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Planning } from '../planning.js';

/** Accepts a certificate on behalf of its new owner: it is then renewed by the rights of the owner's role. */
@Injectable()
export class AcceptService {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly planning: Planning,
    private readonly audit: Audit,
  ) {}

  /**
   * Accepts its successor with the same owner too. Can be repeated. Throws Problem `not-found`, `forbidden` for users
   * without the owner's role, `wrong-state` when it is deleted.
   */
  async accept(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      await this.certificates.lockLines(tx, [id]);
      const { owner } = await this.certificates.change(tx, id, (row) => this.acceptOne(tx, actor, row));
      const successor = await this.certificates.findSuccessor(tx, id);
      if (successor?.owner === owner)
        await this.certificates.change(tx, successor.id, (row) => this.acceptOne(tx, actor, row));
    });
  }

  private async acceptOne(tx: Tx, actor: Actor, row: Certificate): Promise<Certificate> {
    if (!mayVouchFor(actor, row.owner))
      throw new Problem('forbidden', `Only a holder of the role ${row.owner} accepts certificate ${row.name}.`);
    if (row.deletedAt !== null) throw new Problem('wrong-state', `Certificate ${row.name} is deleted.`);
    if (ownerVouches(row)) return row;
    const { vouchingRole } = row;
    row.vouch(row.owner);
    await this.planning.plan(tx, row);
    await this.audit.record(tx, actor, {
      action: 'certificate.accepted',
      targetType: 'certificate',
      targetId: row.id,
      before: { vouchingRole },
      after: { vouchingRole: row.vouchingRole },
    });
    return row;
  }
}
