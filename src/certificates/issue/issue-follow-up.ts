import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import type { Tx } from '../../platform/db/database.js';
import { type Actor, systemActor } from '../../platform/http/actor.js';
import type { Certificate } from '../certificate.entity.js';
import type { Failure } from '../failure.js';
import { Deploying } from '../deploy/deploying.js';
import { Notices } from '../notify/notices.js';
import { Planning } from '../planning.js';
import { RenewalFailures } from '../rotate/renewal-failures.js';
import { Successors } from '../successors.js';
import type { DisputedAnswer } from './order.entity.js';
import type { Validity } from './validity.js';

/**
 * What follows an issuer's answer, in the same transaction: the plan, deliveries, the predecessor, audit events and
 * notices.
 */
@Injectable()
export class IssueFollowUp {
  constructor(
    private readonly deploying: Deploying,
    private readonly successors: Successors,
    private readonly planning: Planning,
    private readonly failures: RenewalFailures,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  async issued(tx: Tx, actor: Actor, certificate: Certificate): Promise<void> {
    await this.planning.plan(tx, certificate);
    await tx.save(certificate);
    await this.audit.record(tx, actor, {
      action: 'certificate.issued',
      targetType: 'certificate',
      targetId: certificate.id,
    });
    await this.notices.tellSubscriptions(tx, 'certificate.issued', [certificate.id]);
    await this.deploying.startOf(tx, certificate.id);
    await this.successors.issued(tx, [certificate]);
  }

  /** The order failed: its planned deliveries stop, and a renewal is retried later. Saves the certificate. */
  async failed(tx: Tx, certificate: Certificate, failure: Failure): Promise<void> {
    await tx.save(certificate);
    const after = { attempts: certificate.attempts, fault: failure.fault, detail: failure.detail };
    await this.audit.record(tx, systemActor('issue'), {
      action: 'certificate.failed',
      targetType: 'certificate',
      targetId: certificate.id,
      after,
    });
    await this.deploying.stopOf(tx, certificate.id);
    if (certificate.renewsId !== null) await this.failures.record(tx, certificate.renewsId, failure);
  }

  async disputed(tx: Tx, certificate: Certificate, { serialHex, reason }: DisputedAnswer): Promise<void> {
    await this.audit.record(tx, systemActor('issue'), {
      action: 'certificate.answer-disputed',
      targetType: 'certificate',
      targetId: certificate.id,
      after: { serial: serialHex, reason },
    });
    await this.notices.orderDisputed(tx, certificate, { serialHex });
  }

  /**
   * As `failed`, when nobody here has ended the order: the issuer did not fulfil it, or not before its deadline. The
   * owner gets a notice; for a renewal, RenewalFailures sends it.
   */
  async unfulfilled(tx: Tx, certificate: Certificate, failure: Failure): Promise<void> {
    await this.failed(tx, certificate, failure);
    if (certificate.renewsId !== null) return;
    await this.notices.orderEnded(tx, certificate, failure.fault === 'overdue' ? 'order.overdue' : 'order.failed');
  }

  /** The issuer returned a certificate after its request had ended. */
  async unwanted(tx: Tx, { id, state }: Certificate, serialHex: string): Promise<void> {
    await this.audit.record(tx, systemActor('issue'), {
      action: 'certificate.answer-unwanted',
      targetType: 'certificate',
      targetId: id,
      after: { serial: serialHex, state },
    });
  }

  /** The issuer has accepted the order. */
  async ordered(tx: Tx, { id, orderRef }: Certificate): Promise<void> {
    await this.audit.record(tx, systemActor('issue'), {
      action: 'certificate.ordered',
      targetType: 'certificate',
      targetId: id,
      after: { orderRef },
    });
  }

  /** A person retried the order. */
  async retried(tx: Tx, actor: Actor, { id }: Certificate): Promise<void> {
    await this.audit.record(tx, actor, {
      action: 'certificate.order-retried',
      targetType: 'certificate',
      targetId: id,
    });
  }

  /** The issuer is asked for a shorter validity period than planned; see `datesWhenAsked`. */
  async shortened(tx: Tx, { id, notBefore, notAfter }: Certificate, after: Validity): Promise<void> {
    await this.audit.record(tx, systemActor('issue'), {
      action: 'certificate.shortened',
      targetType: 'certificate',
      targetId: id,
      before: { notBefore, notAfter },
      after,
    });
  }

  /** An attempt failed and will be retried. A renewal records the delay at its predecessor. */
  async delayed(tx: Tx, { renewsId }: Certificate, failure: Failure): Promise<void> {
    if (renewsId !== null) await this.failures.recordDelay(tx, renewsId, failure);
  }
}
