import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Planning } from '../planning.js';
import { CertificateUse } from '../certificate-use.js';
import { Successors } from '../successors.js';

/** Deletes certificates: removes them from lists, rotation and notices. The row and its key are kept. */
@Injectable()
export class DeleteService {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly use: CertificateUse,
    private readonly successors: Successors,
    private readonly audit: Audit,
  ) {}

  /**
   * Throws Problem: `method-not-allowed` if ALLOW_CERT_DELETION is off, `not-found`, `precondition-failed` if it is
   * deleted already, `forbidden`, `wrong-state` while it is requested or pending, `in-use` while it is delivered or
   * served.
   */
  async delete(actor: Actor, id: number): Promise<void> {
    if (!this.config.allowCertDeletion)
      throw new Problem('method-not-allowed', 'Certificates cannot be deleted: ALLOW_CERT_DELETION is off.');
    const before = await this.certificates.get(this.db.single, id);
    if (before.deletedAt !== null)
      throw new Problem('precondition-failed', `Certificate ${before.name} is deleted already.`);
    await this.access.demandWrite(this.db.single, actor, before);
    await this.access.demandSilence(this.db.single, actor, before);
    await this.db.write(async (tx) => {
      await this.certificates.lockLines(tx, [id]);
      const row = await this.certificates.change(tx, id, async (one) => {
        await this.demandUnused(tx, one);
        await this.deleteRow(tx, actor, one);
        return one;
      });
      // Its predecessors become active again.
      if (row.state === 'issued') await this.successors.withdrawn(tx, row);
    });
  }

  private async demandUnused(tx: Tx, { id, name, state }: Certificate): Promise<void> {
    if (state === 'requested' || state === 'pending')
      throw new Problem('wrong-state', `Certificate ${name} is ${state}: cancel the request first by revoking it.`);
    const destinations = await this.use.deliveredTo(tx, id);
    if (destinations > 0)
      throw new Problem(
        'in-use',
        `Certificate ${name} is delivered to ${destinations} destinations. Detach it first: ` +
          'a deleted certificate is neither renewed nor announced.',
      );
    const endpoint = await this.use.servedAt(tx, [id]);
    if (endpoint !== null)
      throw new Problem(
        'in-use',
        `Certificate ${name} is served at ${endpoint}: a deleted certificate is neither renewed nor announced.`,
      );
  }

  private async deleteRow(tx: Tx, actor: Actor, row: Certificate): Promise<void> {
    const { owner, notify, rotation, state } = row;
    row.delete(this.clock.now());
    await this.audit.record(tx, actor, {
      action: 'certificate.deleted',
      targetType: 'certificate',
      targetId: row.id,
      before: { state, owner, notify, rotation },
    });
  }
}

/** Restores deleted certificates to lists and notices. Rotation stays off. */
@Injectable()
export class RestoreService {
  constructor(
    private readonly db: Database,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly planning: Planning,
    private readonly audit: Audit,
  ) {}

  /** Throws Problem: `not-found`, `forbidden`, `wrong-state` if it is not deleted. */
  async restore(actor: Actor, id: number): Promise<void> {
    await this.access.demandWrite(this.db.single, actor, await this.certificates.get(this.db.single, id));
    await this.db.write((tx) =>
      this.certificates.change(tx, id, async (row) => {
        row.restore();
        await this.planning.plan(tx, row);
        await this.audit.record(tx, actor, { action: 'certificate.restored', targetType: 'certificate', targetId: id });
      }),
    );
  }
}
