import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import type { Failure } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { Planning } from '../planning.js';

/** Writes down that a renewal does not go through, plans the next attempt, and tells the owner. */
@Injectable()
export class RenewalFailures {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly planning: Planning,
    private readonly notices: Notices,
  ) {}

  /** `id` is the certificate that was to be renewed; one that has ended meanwhile stays as it is. */
  async record(tx: Tx, id: number, failure: Failure): Promise<void> {
    await this.certificates.change(tx, id, async (row) => {
      if (row.state !== 'issued') return;
      row.recordRenewalFailure(failure, this.clock.now());
      await this.planning.planRenewal(tx, row);
      await this.notices.rotationFailed(tx, row);
    });
  }

  /** As `record`, but the request for the successor stays and is tried again by itself. */
  async recordDelay(tx: Tx, id: number, failure: Failure): Promise<void> {
    await this.certificates.change(tx, id, async (row) => {
      if (row.state !== 'issued') return;
      row.recordDelay(failure);
      await this.notices.rotationFailed(tx, row);
    });
  }
}
