import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';
import { parseCertificate } from '../../pki/certificate.js';
import { splitCertificates } from '../../pki/pem.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import { authorityLane } from '../../authorities/authority-issuers.job.js';
import type { Order } from '../issue/order.entity.js';
import { OrderRepository } from '../issue/order.repository.js';
import type { Withdrawal } from './withdrawal.entity.js';
import { type NewWithdrawal, WithdrawalRepository } from './withdrawal.repository.js';

/** The job that tells a CA to cancel an order, or to revoke, hold or release a certificate; see WithdrawJob. */
export const withdrawAtCa = defineJob('certificate.withdraw', z.strictObject({ withdrawalId: z.int() }), {
  attempts: 3,
  timeoutS: 120,
  concurrency: 8,
});

/** Enqueues withdrawals after the commit, or `afterS` later, each in the lane of its authority. */
export async function enqueueWithdrawals(
  tx: Tx,
  withdrawals: readonly Pick<Withdrawal, 'id' | 'authorityId'>[],
  afterS?: number,
): Promise<void> {
  await withdrawAtCa.enqueueMany(
    tx,
    withdrawals.map(({ id, authorityId }) => ({
      data: { withdrawalId: id },
      lane: authorityLane.of(authorityId),
      afterS,
    })),
  );
}

/** A certificate that a CA issued, leaf first. */
export interface IssuedAnswer {
  chainPem: readonly string[];
  externalId?: string | null;
}

type Ordered = Pick<Certificate, 'id' | 'authorityId'>;
type Placed = Pick<Certificate, 'id' | 'authorityId' | 'orderRef'>;

/** The default reason of `revoke`: a CRLReason code (RFC 5280 §5.3.1). */
const cessationOfOperation = 5;
/** How long an order that cannot be cancelled is followed, so that a certificate issued for it is still revoked. */
const cancelForMs = 30 * 86_400_000;

/**
 * Stores withdrawals in the transaction that causes them: orders to cancel, and certificates to revoke, hold or release
 * at their CA. A job tells the CA, and repeats it until the CA confirms.
 */
@Injectable()
export class Withdrawals {
  constructor(
    private readonly clock: Clock,
    private readonly withdrawals: WithdrawalRepository,
    private readonly orders: OrderRepository,
  ) {}

  /** For a certificate that ended without being issued: revokes its answer in dispute, or else cancels its order. */
  async endOrder(tx: Tx, certificate: Certificate, order: Order): Promise<void> {
    if (order.disputedAt !== null) await this.rejectAnswer(tx, certificate, order);
    else if (order.askedAt !== null) await this.cancel(tx, certificate);
  }

  /** Revokes the answer in dispute, if there is one. Changes the order, which the caller saves. */
  async rejectAnswer(tx: Tx, certificate: Certificate, order: Order): Promise<void> {
    if (order.disputedChainPem === null) return;
    await this.revokeUnwanted(tx, certificate, {
      chainPem: splitCertificates(order.disputedChainPem),
      externalId: order.disputedExternalId,
    });
    order.settleDispute();
  }

  /**
   * Revokes a certificate that the CA issued for the order of this row, which does not take it. Does nothing when it is
   * the certificate of another row, or another row still follows the order: a CA may give one order to equal requests.
   */
  async revokeUnwanted(tx: Tx, row: Placed, answer: IssuedAnswer): Promise<void> {
    const { serialHex } = parseCertificate(answer.chainPem[0] ?? '');
    const isKept = (await this.orders.isShared(tx, row)) || (await this.orders.isOfAnother(tx, row, serialHex));
    if (!isKept) await this.revoke(tx, row, answer);
  }

  /** Cancels the order of a certificate. */
  cancel(tx: Tx, certificate: Ordered): Promise<void> {
    return this.endOrderBy(tx, certificate, 'cancel', this.clock.now());
  }

  /**
   * For an order whose certificate was uploaded. The CA may report this certificate only later, so the order is
   * followed and not cancelled before its deadline. Another certificate that the CA issues for it is revoked.
   */
  close(tx: Tx, certificate: Ordered, { deadlineAt }: Order): Promise<void> {
    return this.endOrderBy(tx, certificate, 'close', deadlineAt);
  }

  /** Revokes a certificate that the CA issued for this row. Does nothing when its serial number is revoked already. */
  async revoke(
    tx: Tx,
    { id, authorityId }: Ordered,
    { chainPem, externalId = null }: IssuedAnswer,
    { reason = cessationOfOperation, comments = null }: { reason?: number; comments?: string | null } = {},
  ): Promise<void> {
    const { serialHex } = parseCertificate(chainPem[0] ?? '');
    if (authorityId === null || (await this.withdrawals.revokes(tx, id, serialHex))) return;
    await this.suspend(tx, { id, authorityId }, { chainPem, externalId }, { reason, comments });
  }

  /** Holds, releases or revokes, as `reason` says. The job skips a hold or release that a later withdrawal follows. */
  async suspend(
    tx: Tx,
    { id, authorityId }: Ordered,
    { chainPem, externalId = null }: IssuedAnswer,
    { reason, comments }: { reason: number; comments: string | null },
  ): Promise<void> {
    const { serialHex, notAfter } = parseCertificate(chainPem[0] ?? '');
    if (authorityId === null) return;
    await this.add(tx, {
      certificateId: id,
      authorityId,
      kind: 'revoke',
      chainPem: chainPem.join(''),
      serialHex,
      externalId,
      reason,
      comments,
      giveUpAt: notAfter,
      createdAt: this.clock.now(),
    });
  }

  /** Retries the due withdrawals of a certificate at once. False when there are none. */
  async hasten(tx: Tx, certificateId: number): Promise<boolean> {
    const due = await this.withdrawals.hasten(tx, certificateId, this.clock.now());
    await enqueueWithdrawals(tx, due);
    return due.length > 0;
  }

  private async endOrderBy(tx: Tx, { id, authorityId }: Ordered, kind: 'cancel' | 'close', until: Date): Promise<void> {
    if (authorityId === null || (await this.withdrawals.endsOrder(tx, id))) return;
    const giveUpAt = new Date(until.getTime() + cancelForMs);
    await this.add(tx, { certificateId: id, authorityId, kind, giveUpAt, createdAt: this.clock.now() });
  }

  private async add(tx: Tx, given: NewWithdrawal): Promise<void> {
    const id = await this.withdrawals.add(tx, given, given.createdAt);
    await enqueueWithdrawals(tx, [{ id, authorityId: given.authorityId }]);
  }
}
