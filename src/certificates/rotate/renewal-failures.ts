import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import type { Certificate } from '../certificate.entity.js';
import type { Failure } from '../failure.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { Planning } from '../planning.js';

/** Stores that a renewal failed, plans the next attempt, and writes the notices of the failure. */
@Injectable()
export class RenewalFailures {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly planning: Planning,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /** `id`: the certificate to renew. Does nothing when it can no longer be renewed. */
  async record(tx: Tx, id: number, failure: Failure): Promise<void> {
    await this.certificates.change(tx, id, async (row) => {
      if (!row.renewable) return;
      row.recordRenewalFailure(failure, this.clock.now());
      await this.planning.planRenewal(tx, row);
      await this.tell(tx, row);
    });
  }

  /** Like `record`, when the successor is requested already: its order is retried, so that no attempt is planned. */
  async recordDelay(tx: Tx, id: number, failure: Failure): Promise<void> {
    await this.certificates.change(tx, id, async (row) => {
      if (!row.renewable) return;
      row.recordDelay(failure);
      await this.tell(tx, row);
    });
  }

  private async tell(tx: Tx, row: Certificate): Promise<void> {
    const after = { attempts: row.renewalAttempts, fault: row.renewalFault, detail: row.renewalDetail };
    await this.audit.record(tx, systemActor('rotate'), {
      action: 'certificate.renewal-failed',
      targetType: 'certificate',
      targetId: row.id,
      after,
    });
    await this.notices.rotationFailed(tx, row);
  }
}
