import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Authorities } from '../../authorities/authorities.js';
import type { OrderOutcome } from '../../authorities/order-outcome.js';
import type { JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { IssuedCertificate } from '../../plugin-api/issuer.js';
import type { Certificate } from '../certificate.entity.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import { issuersAdded } from '../../authorities/authority-issuers.js';
import { AnswerCheck, ExpiredAnswer } from './answer-check.js';
import { issueCertificate } from './enqueue-orders.js';
import { IssueRecord, type OpenOrder } from './issue.record.js';
import { disputedAnswer } from './order.entity.js';
import { Ordering } from './ordering.js';

/**
 * The job that places, polls or finds the order for a certificate at an issuer outside the process. A returned
 * certificate is checked against the request before it is stored. One that fails the check is kept in dispute; one that
 * has expired ends the order, so that a renewal is ordered again.
 */
@Injectable()
export class IssueJob implements OnModuleInit {
  private readonly logger = new Logger('issue');

  constructor(
    private readonly jobs: Jobs,
    private readonly authorities: Authorities,
    private readonly record: IssueRecord,
    private readonly ordering: Ordering,
    private readonly answers: AnswerCheck,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(issueCertificate, ({ certificateId }, context) => this.run(certificateId, context));
    this.jobs.handle(issuersAdded, ({ authorityId }) => this.record.askDisputed(authorityId));
  }

  private async run(id: number, { signal }: JobContext): Promise<void> {
    await this.ordering.alone(id, (lost) => this.attempt(id, AbortSignal.any([signal, lost])));
  }

  private async attempt(id: number, signal: AbortSignal): Promise<void> {
    const open = await this.record.findOpen(id);
    if (!open) return;
    try {
      const disputed = disputedAnswer(open.order);
      if (disputed) return await this.review(open.certificate, disputed, signal);
      const { outcome, asked } = await this.ask(open, signal);
      if (outcome.status === 'failed') return await this.record.failed(id, failureOf(outcome.error), outcome.isFinal);
      if (outcome.status === 'pending') return await this.record.pending(id, outcome);
      const dispute = await this.refusal(asked, outcome, signal);
      if (dispute !== null) await this.record.disputed(id, outcome, dispute);
    } catch (error) {
      if (isCutOff(signal, error)) throw error;
      if (!isExpected(error)) this.logger.error(error);
      await this.record.failed(id, failureOf(error), error instanceof ExpiredAnswer);
    }
  }

  /** Checks an answer in dispute again: the authority may know new CA certificates by now. */
  private async review(asked: Certificate, answer: IssuedCertificate, signal: AbortSignal): Promise<void> {
    if ((await this.refusal(asked, answer, signal)) !== null) await this.record.endIfOverdue(asked.id);
  }

  /** Checks an answer and stores it. Returns the failed check as text, or null when the answer is stored. */
  private async refusal(asked: Certificate, answer: IssuedCertificate, signal: AbortSignal): Promise<string | null> {
    try {
      await this.answers.check(asked, answer.chainPem, signal);
      await this.record.issued(asked.id, answer);
      return null;
    } catch (error) {
      if (error instanceof ExpiredAnswer) throw error;
      if (error instanceof PluginError && error.fault === 'refused') return error.detail;
      throw error;
    }
  }

  /** Looks for the order at the issuer, or places it. `asked`: the certificate with the requested dates. */
  private async ask(open: OpenOrder, signal: AbortSignal): Promise<{ outcome: OrderOutcome; asked: Certificate }> {
    const { certificate, order } = open;
    const authority = await this.authorities.get(certificate.authorityId ?? 0);
    const known = await this.ordering.look(certificate, order, authority, signal);
    if (known !== null) return { asked: certificate, outcome: known };
    const asked = await this.record.asking(certificate, order, authority);
    return { asked, outcome: await this.ordering.order(asked, order, authority, signal) };
  }
}
