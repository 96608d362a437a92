import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { retryAt } from '../../platform/retry.js';
import type { Failure } from '../failure.js';

/** See Withdrawal. */
export const withdrawalKinds = ['cancel', 'close', 'revoke'] as const;
export const withdrawalStates = ['due', 'done', 'given-up'] as const;

/** CRLReason codes (RFC 5280 §5.3.1): put a certificate on hold, release it. */
export const certificateHold = 6;
export const removeFromCrl = 8;

/**
 * One request to a CA that is repeated until the CA confirms it. `cancel`: cancel the order of a certificate.
 * `revoke`: revoke, hold or release a certificate. `close`: the certificate was uploaded; its order is followed until
 * the CA has issued the same certificate, and is cancelled after its deadline.
 */
@Entity('withdrawal')
export class Withdrawal {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') certificateId: number;
  @Column('integer') authorityId: number;
  @Column('text') kind: (typeof withdrawalKinds)[number];
  /** The chain of the certificate to revoke, leaf first. It may be an answer that was not stored as the certificate. */
  @Column('text', { nullable: true }) chainPem: string | null;
  @Column('text', { nullable: true }) serialHex: string | null;
  @Column('text', { nullable: true }) externalId: string | null;
  /** CRLReason code (RFC 5280 §5.3.1). certificateHold holds, removeFromCRL releases, all others revoke for good. */
  @Column('integer', { nullable: true }) reason: number | null;
  @Column('text', { nullable: true }) comments: string | null;
  @Column('text') state: (typeof withdrawalStates)[number];
  /** When the attempts end. A certificate that has expired needs no revocation. */
  @Column('timestamptz') giveUpAt: Date;
  @Column('integer') attempts: number;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz', { nullable: true }) nextAttemptAt: Date | null;
  @Column('timestamptz') createdAt: Date;
  @Column('timestamptz', { nullable: true }) doneAt: Date | null;

  /** The kind, with `hold` and `release` told apart from `revoke` by the reason. */
  get wish(): Withdrawal['kind'] | 'hold' | 'release' {
    if (this.kind !== 'revoke') return this.kind;
    return this.reason === certificateHold ? 'hold' : this.reason === removeFromCrl ? 'release' : 'revoke';
  }

  /** The CA has confirmed the withdrawal. */
  done(now: Date): void {
    Object.assign(this, { state: 'done', doneAt: now, nextAttemptAt: null, fault: null, faultDetail: null });
  }

  /** An attempt failed. It is retried later, unless the CA refuses to revoke. */
  fail({ fault, detail, retryAfterS }: Failure, now: Date): void {
    this.attempts += 1;
    Object.assign(this, { fault, faultDetail: detail });
    if (fault === 'refused' && this.kind === 'revoke') this.giveUp();
    else this.wait(retryAt(now, this.attempts, { hintS: retryAfterS }), now);
  }

  /** Sets the next attempt, or gives up after `giveUpAt`. */
  wait(until: Date, now: Date): void {
    if (now >= this.giveUpAt) this.giveUp();
    else this.nextAttemptAt = until;
  }

  private giveUp(): void {
    this.state = 'given-up';
    this.nextAttemptAt = null;
  }
}
