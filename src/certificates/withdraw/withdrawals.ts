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
import type { Withdrawal } from './withdrawal.entity.js';
import { type NewWithdrawal, WithdrawalRepository } from './withdrawal.repository.js';

/** Has a CA cancel an order or revoke a certificate. */
export const withdrawAtCa = defineJob('certificate.withdraw', z.strictObject({ withdrawalId: z.int() }), {
  attempts: 3,
  timeoutS: 120,
  concurrency: 8,
});

/** Has these withdrawals made after the commit, each in the lane of its authority. */
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

/** RFC 5280 §5.3.1: nobody will use the certificate. */
const cessationOfOperation = 5;
/** An order that cannot be cancelled is followed so long, so that its certificate is revoked should it come. */
const cancelForMs = 30 * 86_400_000;

/**
 * Writes what a CA is to be told, in the transaction that causes it. A job tells it, and repeats that until the CA has
 * confirmed.
 */
@Injectable()
export class Withdrawals {
  constructor(
    private readonly clock: Clock,
    private readonly withdrawals: WithdrawalRepository,
  ) {}

  /** The certificate has ended without being issued: what the CA has of its order is withdrawn. */
  async endOrder(tx: Tx, certificate: Certificate, order: Order): Promise<void> {
    if (order.disputedAt !== null) await this.rejectAnswer(tx, certificate, order);
    else if (order.askedAt !== null) await this.cancel(tx, certificate);
  }

  /** The CA is to revoke the answer in dispute, if there is one. Changes the order, which the caller saves. */
  async rejectAnswer(tx: Tx, certificate: Certificate, order: Order): Promise<void> {
    if (order.disputedChainPem === null) return;
    await this.revoke(tx, certificate, {
      chainPem: splitCertificates(order.disputedChainPem),
      externalId: order.disputedExternalId,
    });
    order.settleDispute();
  }

  /** The order of a certificate is no longer wanted. */
  cancel(tx: Tx, certificate: Ordered): Promise<void> {
    return this.endOrderBy(tx, certificate, 'cancel', this.clock.now());
  }

  /**
   * The certificate of an order was uploaded. The CA may say so only later: until the deadline of the order nothing is
   * cancelled, and what the CA has issued is revoked only if it is another certificate.
   */
  close(tx: Tx, certificate: Ordered, { deadlineAt }: Order): Promise<void> {
    return this.endOrderBy(tx, certificate, 'close', deadlineAt);
  }

  /** A certificate that the CA issued for this row is to be revoked, once for each serial number. */
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

  /** A certificate is to be put on hold or released, or revoked: what is asked last counts. */
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

  /** Tells the CA at once what it is still to be told of this certificate. False when that is nothing. */
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
