import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { Deploying } from '../deploy/deploying.js';
import type { Certificate, Failure } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { issuedFacts } from '../issued-facts.js';
import { Planning } from '../planning.js';

/** A request that an issuer keeps failing for a reason that time may mend is given up after so many attempts. */
const mostAttempts = 40;

/** What an issuer's answer means for deliveries, for the predecessor and for people. */
@Injectable()
export class IssueFollowUp {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly deploying: Deploying,
    private readonly planning: Planning,
    private readonly audit: Audit,
  ) {}

  async issued(tx: Tx, certificate: Certificate): Promise<void> {
    await this.planning.plan(tx, certificate);
    await tx.save(certificate);
    await this.audit.record(tx, systemActor('issue'), { action: 'certificate.issued', targetType: 'certificate', targetId: certificate.id });
    await this.deploying.startOf(tx, certificate.id);
    await this.deploying.settle(tx, certificate.id);
  }

  /** The certificate that was to be renewed is due again, after a while. */
  async failed(tx: Tx, certificate: Certificate, failure: Failure): Promise<void> {
    if (certificate.renewsId === null) return;
    await this.certificates.change(tx, certificate.renewsId, (old) => {
      if (old.state === 'issued') old.recordRenewalFailure(failure, this.clock.now());
    });
  }
}

/** What is written down of an issuer's answer. */
@Injectable()
export class IssueRecord {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly followUp: IssueFollowUp,
  ) {}

  async pending(id: number, orderRef: string, pollAfterS: number): Promise<void> {
    const pollAt = new Date(this.clock.now().getTime() + Math.max(pollAfterS, 1) * 1000);
    await this.change(id, (certificate) => certificate.awaitOrder(orderRef, pollAt));
  }

  async issued(id: number, chainPem: readonly string[], externalId?: string): Promise<void> {
    await this.change(id, async (certificate, tx) => {
      certificate.complete(issuedFacts(chainPem, externalId));
      await this.followUp.issued(tx, certificate);
    });
  }

  /** `refused` and bugs end the request; a fault that a person or time can mend is tried again. */
  async failed(id: number, failure: Failure): Promise<void> {
    await this.change(id, async (certificate, tx) => {
      const final = failure.fault === 'refused' || certificate.attempts + 1 >= mostAttempts;
      certificate.recordFailure(failure, this.clock.now(), final);
      if (final) await this.followUp.failed(tx, certificate, failure);
    });
  }

  /** A row that is finished meanwhile stays as it is. */
  private async change(id: number, work: (certificate: Certificate, tx: Tx) => void | Promise<void>): Promise<void> {
    await this.db.write((tx) => this.certificates.change(tx, id, async (certificate) => {
      if (certificate.state === 'requested' || certificate.state === 'pending') await work(certificate, tx);
    }));
  }
}
