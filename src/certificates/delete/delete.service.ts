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

/** What is written down of a deletion. */
@Injectable()
export class DeleteRecord {
  constructor(
    private readonly clock: Clock,
    private readonly use: CertificateUse,
    private readonly successors: Successors,
    private readonly planning: Planning,
    private readonly audit: Audit,
  ) {}

  /**
   * Throws Problem `wrong-state` or `in-use` when it is not free to go: what still stands somewhere must not be out of
   * sight.
   */
  async deleted(tx: Tx, actor: Actor, row: Certificate): Promise<void> {
    if (row.state === 'requested' || row.state === 'pending') {
      throw new Problem(
        'wrong-state',
        `Certificate ${row.name} is ${row.state}: cancel the request first by revoking it.`,
      );
    }
    const destinations = await this.use.deliveredTo(tx, row.id);
    if (destinations > 0) {
      throw new Problem(
        'in-use',
        `Certificate ${row.name} is delivered to ${destinations} destinations: detach ` +
          'it first, or it would be served with nobody watching over it.',
      );
    }
    const served = await this.use.servedAt(tx, [row.id]);
    if (served !== null)
      throw new Problem(
        'in-use',
        `Certificate ${row.name} is served at ${served}: with it deleted, nobody would watch over it.`,
      );
    const { owner, notify, rotation, state } = row;
    row.delete(this.clock.now());
    await this.audit.record(tx, actor, {
      action: 'certificate.deleted',
      targetType: 'certificate',
      targetId: row.id,
      before: { state, owner, notify, rotation },
    });
  }

  async restored(tx: Tx, actor: Actor, row: Certificate): Promise<void> {
    row.restore();
    await this.planning.plan(tx, row);
    await this.audit.record(tx, actor, { action: 'certificate.restored', targetType: 'certificate', targetId: row.id });
  }

  /** What it was to replace is in force again. */
  async withdrawn(tx: Tx, row: Certificate): Promise<void> {
    await this.successors.withdrawn(tx, row);
  }
}

/** Takes a certificate out of sight: out of lists, rotation and notices. The row and its key are kept. */
@Injectable()
export class DeleteService {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly record: DeleteRecord,
  ) {}

  /**
   * Throws Problem: `method-not-allowed` where deletion is not switched on, `not-found`, `precondition-failed` when it
   * is deleted, `forbidden`, `in-use`.
   */
  async delete(actor: Actor, id: number): Promise<void> {
    if (!this.config.allowCertDeletion)
      throw new Problem('method-not-allowed', 'Certificates are not deleted here: ALLOW_CERT_DELETION is off.');
    const before = await this.certificates.get(this.db.single, id);
    if (before.deletedAt !== null)
      throw new Problem('precondition-failed', `Certificate ${before.name} is deleted already.`);
    await this.access.demandWrite(this.db.single, actor, before);
    await this.access.demandSilence(this.db.single, actor, before);
    await this.db.write(async (tx) => {
      await this.certificates.lockLines(tx, [id]);
      const row = await this.certificates.change(tx, id, async (one) => {
        await this.record.deleted(tx, actor, one);
        return one;
      });
      if (row.state === 'issued') await this.record.withdrawn(tx, row);
    });
  }

  /** Throws Problem `wrong-state` when it is not deleted. */
  async restore(actor: Actor, id: number): Promise<void> {
    await this.access.demandWrite(this.db.single, actor, await this.certificates.get(this.db.single, id));
    await this.db.write((tx) => this.certificates.change(tx, id, (row) => this.record.restored(tx, actor, row)));
  }
}
