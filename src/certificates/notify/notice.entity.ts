import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { NoticeEvent } from '../../plugin-api/events.js';
import { retryAt } from '../../platform/retry.js';
import type { Failure } from '../failure.js';

const listEvents = ['certificate.expiring', 'certificate.issued', 'certificate.discovered'] as const;
/** An event for which one message lists many certificates. */
export type ListEvent = (typeof listEvents)[number];

export function isListEvent(event: NoticeEvent): event is ListEvent {
  return (listEvents as readonly NoticeEvent[]).includes(event);
}

const authorityEvents = ['authority.expiring', 'crl.overdue'] as const;
/** An event of an authority, of which its owner and the security team are told. */
export type AuthorityEvent = (typeof authorityEvents)[number];

export function isAuthorityEvent(event: NoticeEvent): event is AuthorityEvent {
  return (authorityEvents as readonly NoticeEvent[]).includes(event);
}

/** A notice is dropped after so many attempts when the last one was refused. */
const mostRefusals = 5;

/** A notice of one event of one certificate or authority, for one subscription or for the owner. It is sent once. */
@Entity('notice')
export class Notice {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer', { nullable: true }) certificateId: number | null;
  @Column('integer', { nullable: true }) authorityId: number | null;
  /** Null for the mail to the owner. */
  @Column('integer', { nullable: true }) subscriptionId: number | null;
  @Column('text') event: NoticeEvent;
  @Column('text') dedupeKey: string;
  @Column('jsonb') data: Record<string, unknown>;
  /** `dropped`: it no longer applies, for example because the certificate was revoked meanwhile. */
  @Column('text') state: 'due' | 'sent' | 'dropped';
  @Column('integer') attempts: number;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz', { nullable: true }) nextAttemptAt: Date | null;
  /** Until then only the run that claimed the notice sends it; null when no run has claimed it. */
  @Column('timestamptz', { nullable: true }) claimedUntil: Date | null;
  @Column('timestamptz', { nullable: true }) sentAt: Date | null;
  @Column('timestamptz') createdAt: Date;

  sent(now: Date): void {
    this.state = 'sent';
    this.sentAt = now;
    this.nextAttemptAt = null;
    this.claimedUntil = null;
  }

  drop(): void {
    this.state = 'dropped';
    this.nextAttemptAt = null;
    this.claimedUntil = null;
  }

  /** Ends this claim without an attempt. A claim of a later run stays. */
  release(claimedUntil: Date): void {
    if (this.claimedUntil?.getTime() === claimedUntil.getTime()) this.claimedUntil = null;
  }

  fail(failure: Failure, now: Date): void {
    this.attempts += 1;
    this.fault = failure.fault;
    this.faultDetail = failure.detail;
    this.claimedUntil = null;
    // One refused recipient must not make the others get the same mail for ever.
    if (failure.fault === 'refused' && this.attempts >= mostRefusals) this.drop();
    else this.nextAttemptAt = retryAt(now, this.attempts, { hintS: failure.retryAfterS });
  }
}
