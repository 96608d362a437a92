import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Authorities, type OrderOutcome } from '../../authorities/authorities.js';
import type { JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Leases } from '../../jobs/lease.js';
import { Postponed } from '../../jobs/postponed.js';
import { parseCsr } from '../../pki/csr.js';
import type { Certificate } from '../certificate.entity.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import { loadTerms } from '../terms.js';
import { checkAnswer } from './answer.js';
import { issueCertificate } from './issue.jobs.js';
import { IssueRecord } from './issue.record.js';

/** After a crash the next attempt can begin this much later. */
const leaseS = 30;

/**
 * Asks an issuer outside the process. What it returns is checked against what was asked before it is stored as good.
 */
@Injectable()
export class IssueJob implements OnModuleInit {
  private readonly logger = new Logger('issue');

  constructor(
    private readonly jobs: Jobs,
    private readonly authorities: Authorities,
    private readonly record: IssueRecord,
    private readonly leases: Leases,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(issueCertificate, (data, context) => this.run(data.certificateId, context));
  }

  /**
   * One at a time for a certificate: two that asked at once would leave two orders at the issuer, one of them
   * forgotten.
   */
  private async run(id: number, { signal }: JobContext): Promise<void> {
    const free = await this.leases.withLease(`issue:${id}`, leaseS, (lost) =>
      this.attempt(id, AbortSignal.any([signal, lost])),
    );
    if (!free) throw new Postponed(`Certificate ${id} is being ordered by another process.`, leaseS);
  }

  private async attempt(id: number, signal: AbortSignal): Promise<void> {
    const certificate = await this.record.findUnfinished(id);
    if (!certificate) return;
    try {
      const asked =
        certificate.orderRef === null
          ? await this.record.withinLimits(certificate, await this.authorities.get(certificate.authorityId ?? 0))
          : certificate;
      const outcome = await this.ask(asked, signal);
      if (outcome.status === 'failed') throw outcome.error;
      if (outcome.status === 'pending') return await this.record.pending(id, outcome.orderRef, outcome.pollAfterS);
      await checkAnswer(asked, outcome.chainPem, await this.authorities.get(certificate.authorityId ?? 0));
      await this.record.issued(id, outcome.chainPem, outcome.externalId);
    } catch (error) {
      if (isCutOff(signal, error)) throw error;
      if (!isExpected(error)) this.logger.error(error);
      await this.record.failed(id, failureOf(error));
    }
  }

  private async ask(certificate: Certificate, signal: AbortSignal): Promise<OrderOutcome> {
    const authority = await this.authorities.get(certificate.authorityId ?? 0);
    const { orderRef, notBefore, notAfter } = certificate;
    const csrPem = certificate.csrPem ?? '';
    const request = {
      csrPem,
      spkiDer: parseCsr(csrPem).spkiDer,
      idempotencyKey: certificate.secretId,
      terms: { ...loadTerms(certificate.terms), notBefore, notAfter },
    };
    return orderRef === null
      ? this.authorities.order(authority, { request }, signal)
      : this.authorities.poll(authority, { request, orderRef }, signal);
  }
}
