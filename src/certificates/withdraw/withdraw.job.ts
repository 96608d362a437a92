import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Authorities, type LoadedAuthority } from '../../authorities/authorities.js';
import type { OrderOutcome } from '../../authorities/order-outcome.js';
import type { JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Leases } from '../../jobs/lease.js';
import { Postponed } from '../../jobs/postponed.js';
import { parseCertificate } from '../../pki/certificate.js';
import { splitCertificates } from '../../pki/pem.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import { Notices } from '../notify/notices.js';
import type { Order } from '../issue/order.entity.js';
import { OrderRepository } from '../issue/order.repository.js';
import { Ordering } from '../issue/ordering.js';
import type { Withdrawal } from './withdrawal.entity.js';
import { WithdrawalRepository } from './withdrawal.repository.js';
import { enqueueWithdrawals, type IssuedAnswer, withdrawAtCa, Withdrawals } from './withdrawals.js';

// The job that tells CAs about withdrawals, and the record of its outcomes.

/**
 * The CA's answer to a withdrawal. `done`: it is confirmed. `skipped`: the CA need not be asked. `waitsUntil`: the CA
 * is not asked before a later withdrawal has ended. `openForS`: the order is still open; look again after these
 * seconds. `issued`: the CA has issued a certificate for the order.
 */
type Answer =
  { done: true } | { skipped: true } | { waitsUntil: Date } | { openForS: number } | { issued: IssuedAnswer };

/** After a process died while it asked to revoke, hold or release, the next attempt waits this long. */
const leaseS = 30;
const postponedS = 5;
/** How often, at most, a withdrawal looks whether a later one has ended. */
const waitsMs = 60_000;

/** The audit action when the CA has confirmed the withdrawal. */
const doneActions = {
  revoke: 'certificate.revoked-at-ca',
  hold: 'certificate.held-at-ca',
  release: 'certificate.released-at-ca',
  cancel: 'certificate.order-closed',
  close: 'certificate.order-closed',
} as const;

/** Stores the outcome of an attempt to withdraw at a CA: done, wait, retry or given up. */
@Injectable()
export class WithdrawRecord {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly rows: WithdrawalRepository,
    private readonly withdrawals: Withdrawals,
    private readonly orders: OrderRepository,
    private readonly audit: Audit,
    private readonly notices: Notices,
    private readonly leases: Leases,
  ) {}

  /** Null when the withdrawal is done or given up. */
  async findDue(id: number): Promise<Withdrawal | null> {
    const withdrawal = await this.rows.find(this.db.single, id);
    return withdrawal?.state === 'due' ? withdrawal : null;
  }

  /**
   * What to do with a hold or release instead of asking the CA; null: ask it. A later withdrawal outdates it once the
   * CA has confirmed that one: if it is given up, this one is the last that counts.
   */
  async insteadOf(withdrawal: Withdrawal): Promise<Answer | null> {
    const later = await this.rows.findLater(this.db.single, withdrawal);
    if (!later) return null;
    if (later.nextAttemptAt === null) return { skipped: true };
    const soonest = this.clock.now().getTime() + waitsMs;
    return { waitsUntil: new Date(Math.max(soonest, later.nextAttemptAt.getTime())) };
  }

  /**
   * Runs `work` under the lease of a certificate at its CA, because a release that is still on its way there could undo
   * a hold that was requested after it. Throws Postponed while another withdrawal of the certificate holds the lease.
   */
  async alone({ authorityId, serialHex }: Withdrawal, work: (lost: AbortSignal) => Promise<void>): Promise<void> {
    if (await this.leases.withLease(`withdraw:${authorityId}:${serialHex ?? ''}`, leaseS, work)) return;
    throw new Postponed(`Authority ${authorityId} is being asked already to withdraw ${serialHex ?? ''}.`, postponedS);
  }

  answered(id: number, certificate: Certificate, answer: Answer): Promise<void> {
    return this.db.write((tx) =>
      this.rows.change(tx, id, async (withdrawal) => {
        if ('waitsUntil' in answer) {
          withdrawal.wait(answer.waitsUntil, this.clock.now());
          return this.goOn(tx, certificate, withdrawal);
        }
        if ('openForS' in answer) {
          await this.changeOrder(tx, certificate, (order) => order.trust());
          withdrawal.wait(new Date(this.clock.now().getTime() + answer.openForS * 1000), this.clock.now());
          return this.goOn(tx, certificate, withdrawal);
        }
        if ('issued' in answer && !isOf(certificate, answer.issued))
          await this.withdrawals.revokeUnwanted(tx, certificate, answer.issued);
        await this.done(tx, certificate, withdrawal, 'skipped' in answer);
      }),
    );
  }

  /** An order ends only after several refusals, because a CA may know the order again later: see `Order.doubt`. */
  failed(id: number, certificate: Certificate, error: unknown): Promise<void> {
    return this.db.write((tx) =>
      this.rows.change(tx, id, async (withdrawal) => {
        const [failure, now] = [failureOf(error), this.clock.now()];
        withdrawal.fail(failure, now);
        let isDead = false;
        if (failure.fault === 'refused' && withdrawal.kind !== 'revoke')
          await this.changeOrder(tx, certificate, (order) => (isDead = order.doubt(now)));
        if (isDead) await this.done(tx, certificate, withdrawal);
        else await this.goOn(tx, certificate, withdrawal);
      }),
    );
  }

  private async changeOrder(tx: Tx, { id }: Certificate, change: (order: Order) => void): Promise<void> {
    const order = await this.orders.get(tx, id);
    change(order);
    await this.orders.save(tx, order);
  }

  /** The audit says nothing of a withdrawal that the CA was not asked for. */
  private async done(tx: Tx, certificate: Certificate, withdrawal: Withdrawal, isSkipped = false): Promise<void> {
    withdrawal.done(this.clock.now());
    if (withdrawal.kind !== 'revoke') await this.changeOrder(tx, certificate, (order) => order.end());
    if (isSkipped) return;
    await this.audit.record(tx, systemActor('withdraw'), {
      action: doneActions[withdrawal.wish],
      targetType: 'certificate',
      targetId: certificate.id,
      after: { serial: withdrawal.serialHex },
    });
  }

  /** Enqueues the next attempt. When there is none, the withdrawal is given up and the owner gets a notice. */
  private async goOn(tx: Tx, certificate: Certificate, withdrawal: Withdrawal): Promise<void> {
    if (withdrawal.nextAttemptAt !== null) {
      const afterMs = withdrawal.nextAttemptAt.getTime() - this.clock.now().getTime();
      return enqueueWithdrawals(tx, [withdrawal], afterMs / 1000);
    }
    await this.audit.record(tx, systemActor('withdraw'), {
      action: 'certificate.withdrawal-given-up',
      targetType: 'certificate',
      targetId: certificate.id,
      after: { kind: withdrawal.kind, serial: withdrawal.serialHex, detail: withdrawal.faultDetail },
    });
    await this.notices.withdrawalGivenUp(tx, certificate, withdrawal);
  }
}

/** The job that tells a CA to cancel an order, or to revoke, hold or release a certificate. */
@Injectable()
export class WithdrawJob implements OnModuleInit {
  private readonly logger = new Logger('withdraw');

  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly record: WithdrawRecord,
    private readonly certificates: CertificateRepository,
    private readonly authorities: Authorities,
    private readonly orders: OrderRepository,
    private readonly ordering: Ordering,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(withdrawAtCa, (data, context) => this.run(data.withdrawalId, context));
  }

  /** A cancellation waits until a running attempt to order ends, because that may store the reference of the order. */
  private async run(id: number, { signal }: JobContext): Promise<void> {
    const due = await this.record.findDue(id);
    if (!due) return;
    const attempt = (lost: AbortSignal): Promise<void> => this.attempt(id, AbortSignal.any([signal, lost]));
    if (due.kind === 'revoke') await this.record.alone(due, attempt);
    else await this.ordering.alone(due.certificateId, attempt);
  }

  private async attempt(id: number, signal: AbortSignal): Promise<void> {
    const withdrawal = await this.record.findDue(id);
    if (!withdrawal) return;
    const certificate = await this.certificates.get(this.db.single, withdrawal.certificateId);
    try {
      const answer = await this.tell(withdrawal, certificate, signal);
      await this.record.answered(id, certificate, answer);
    } catch (error) {
      if (isCutOff(signal, error)) throw error;
      if (!isExpected(error)) this.logger.error(error);
      await this.record.failed(id, certificate, error);
    }
  }

  private async tell(withdrawal: Withdrawal, certificate: Certificate, signal: AbortSignal): Promise<Answer> {
    const authority = await this.authorities.get(withdrawal.authorityId);
    if (withdrawal.kind !== 'revoke') return this.endOrder(withdrawal, certificate, authority, signal);
    const request = {
      chainPem: splitCertificates(withdrawal.chainPem ?? ''),
      externalId: withdrawal.externalId ?? undefined,
      reason: withdrawal.reason ?? 0,
      comments: withdrawal.comments ?? undefined,
    };
    const { wish } = withdrawal;
    if (wish === 'hold' || wish === 'release') {
      // A retried hold would undo a release that was requested after it.
      const instead = await this.record.insteadOf(withdrawal);
      if (instead) return instead;
      await this.authorities.suspend(authority, wish, request, signal);
    } else {
      await this.authorities.revoke(authority, request, signal);
    }
    return { done: true };
  }

  /**
   * Does nothing while another row follows the same order. `cancel`: cancels the order. When the CA does not cancel it,
   * looks whether the CA has issued a certificate, which must be revoked. `close`: looks first, because the CA may have
   * issued the uploaded certificate; cancels the order only after its deadline.
   */
  private async endOrder(
    { kind }: Withdrawal,
    certificate: Certificate,
    authority: LoadedAuthority,
    signal: AbortSignal,
  ): Promise<Answer> {
    if (await this.orders.isShared(this.db.single, certificate)) return { skipped: true };
    const order = await this.orders.get(this.db.single, certificate.id);
    const { orderRef } = certificate;
    const isCancelled = (ref: string): Promise<boolean> => this.ordering.cancel(ref, order, authority, signal);
    const look = (): Promise<OrderOutcome | null> => this.ordering.look(certificate, order, authority, signal);
    if (kind === 'cancel' && orderRef !== null && (await isCancelled(orderRef))) return { done: true };
    let found = await look();
    if (found?.status === 'pending' && found.orderRef !== orderRef) {
      if (kind === 'cancel' && (await isCancelled(found.orderRef))) return { done: true };
      if (orderRef === null) {
        // A search need not tell that the order which it finds is issued.
        certificate.orderRef = found.orderRef;
        found = await look();
      }
    }
    if (found === null) return { done: true };
    if (found.status === 'issued') return { issued: found };
    if (found.status === 'pending') {
      const isToCancel = kind === 'close' && this.clock.now() >= order.deadlineAt;
      return isToCancel && (await isCancelled(found.orderRef)) ? { done: true } : { openForS: found.pollAfterS };
    }
    // The CA has ended the order, or its plugin cannot poll.
    if (found.isFinal || !authority.plugin.poll) return { done: true };
    throw found.error;
  }
}

/** Whether the answer is the certificate that the row has. */
function isOf({ serialHex }: Certificate, { chainPem: [leafPem = ''] }: IssuedAnswer): boolean {
  return serialHex === parseCertificate(leafPem).serialHex;
}
