import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { retryAt } from '../../platform/retry.js';
import type { Failure } from '../failure.js';

export const withdrawalKinds = ['cancel', 'close', 'revoke'] as const;
export const withdrawalStates = ['due', 'done', 'given-up'] as const;

/** CRLReason codes of RFC 5280 §5.3.1. */
export const certificateHold = 6;
export const removeFromCrl = 8;

/**
 * What a CA is to be told: to cancel the order of a certificate, or to revoke a certificate that it issued. `close`:
 * the certificate was uploaded, and its order is followed until the CA has issued this very one, or is cancelled.
 */
@Entity('withdrawal')
export class Withdrawal {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') certificateId: number;
  @Column('integer') authorityId: number;
  @Column('text') kind: (typeof withdrawalKinds)[number];
  /** What is revoked, leaf first: the certificate of the row, or an answer that did not become it. */
  @Column('text', { nullable: true }) chainPem: string | null;
  @Column('text', { nullable: true }) serialHex: string | null;
  @Column('text', { nullable: true }) externalId: string | null;
  /** CRLReason code of RFC 5280 §5.3.1. With certificateHold or removeFromCRL nothing is revoked for good. */
  @Column('integer', { nullable: true }) reason: number | null;
  @Column('text', { nullable: true }) comments: string | null;
  @Column('text') state: (typeof withdrawalStates)[number];
  /** It is tried until then: a certificate that has expired needs no revocation. */
  @Column('timestamptz') giveUpAt: Date;
  @Column('integer') attempts: number;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz', { nullable: true }) nextAttemptAt: Date | null;
  @Column('timestamptz') createdAt: Date;
  @Column('timestamptz', { nullable: true }) doneAt: Date | null;

  /** `hold` and `release` are revocations with a reason of their own. */
  get wish(): Withdrawal['kind'] | 'hold' | 'release' {
    if (this.kind !== 'revoke') return this.kind;
    return this.reason === certificateHold ? 'hold' : this.reason === removeFromCrl ? 'release' : 'revoke';
  }

  /** The CA has confirmed it. */
  done(now: Date): void {
    Object.assign(this, { state: 'done', doneAt: now, nextAttemptAt: null, fault: null, faultDetail: null });
  }

  /** Tried again later, unless the CA refuses to revoke. */
  fail({ fault, detail, retryAfterS }: Failure, now: Date): void {
    this.attempts += 1;
    Object.assign(this, { fault, faultDetail: detail });
    if (fault === 'refused' && this.kind === 'revoke') this.giveUp();
    else this.wait(retryAt(now, this.attempts, { hintS: retryAfterS }), now);
  }

  /** The order is still open at the CA, and cannot be cancelled. */
  wait(until: Date, now: Date): void {
    if (now >= this.giveUpAt) this.giveUp();
    else this.nextAttemptAt = until;
  }

  private giveUp(): void {
    this.state = 'given-up';
    this.nextAttemptAt = null;
  }
}
