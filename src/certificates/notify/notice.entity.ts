import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { retryAt } from '../../platform/retry.js';
import type { Failure } from '../certificate.entity.js';

/** The events that people are told about. */
export const noticeEvents = [
  'certificate.expiring',
  'certificate.rotated',
  'certificate.rotation-failed',
  'certificate.no-destination',
  'certificate.revoked',
  'certificate.handed-over',
  'certificate.taken-over',
  'delivery.failing',
  'delivery.left',
  'order.overdue',
  'order.disputed',
] as const;
export type NoticeEvent = (typeof noticeEvents)[number];

const mostRefusals = 5;

/** One thing to be told about one certificate, once: the ledger that keeps a warning from being lost or sent twice. */
@Entity('notice')
export class Notice {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') certificateId: number;
  /** The notification that warns; null for an event, which goes to the owner by mail. */
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
  @Column('timestamptz', { nullable: true }) sentAt: Date | null;
  @Column('timestamptz') createdAt: Date;

  sent(now: Date): void {
    this.state = 'sent';
    this.sentAt = now;
    this.nextAttemptAt = null;
  }

  drop(): void {
    this.state = 'dropped';
    this.nextAttemptAt = null;
  }

  fail(failure: Failure, now: Date): void {
    this.attempts += 1;
    this.fault = failure.fault;
    this.faultDetail = failure.detail;
    // A recipient who is refused again and again must not make the others get the mail for ever.
    if (failure.fault === 'refused' && this.attempts >= mostRefusals) this.drop();
    else this.nextAttemptAt = retryAt(now, this.attempts, { hintS: failure.retryAfterS });
  }
}
