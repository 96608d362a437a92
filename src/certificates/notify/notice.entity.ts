import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { NoticeEvent } from '../../plugin-api/events.js';
import { Problem } from '../../platform/http/problem.js';
import type { Failure } from '../failure.js';

/** The events of which one message tells for many certificates. */
export const listEvents = [
  'certificate.expiring',
  'certificate.issued',
  'certificate.discovered',
  'certificate.unexpected',
] as const;
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

const generalEvents = ['summary.weekly', 'run.paused'] as const;
/** An event of no single certificate or authority. */
export type GeneralEvent = (typeof generalEvents)[number];

export function isGeneralEvent(event: NoticeEvent): event is GeneralEvent {
  return (generalEvents as readonly NoticeEvent[]).includes(event);
}

/** `dropped`: it no longer applies, for example because the certificate was revoked meanwhile, or was refused. */
export const noticeStates = ['due', 'sent', 'dropped'] as const;
export type NoticeState = (typeof noticeStates)[number];

/**
 * Why a due notice is not sent before `nextAttemptAt`. `acknowledged`: somebody takes care of its event. `paused`: its
 * subscription or channel is switched off. Else its channel sends nothing before.
 */
export const noticeHolds = ['acknowledged', 'quiet-hours', 'digest', 'paused'] as const;
export type NoticeHold = (typeof noticeHolds)[number];

/** Until when a notice is held, and why. */
export interface NoticeWait {
  until: Date;
  hold: NoticeHold;
}

/** The name of the lease of a run that has claimed notices as `claim`. */
export function leaseOfClaim(claim: string): string {
  return `notices:${claim}`;
}

/**
 * A notice is dropped after refusals for so long, by which time people have mended what they can. The program may have
 * been down meanwhile: so many attempts count as well.
 */
const longestRefusedMs = 2 * 86_400_000;
const leastAttempts = 5;

/**
 * How a notice goes on after a failed attempt. `again`: the next attempt, which is the same for all notices of the
 * message. `neededUntil`: until when it is tried whatever its receiver answers, since somebody must hear of it.
 */
export interface NoticeRetry {
  now: Date;
  again: Date;
  neededUntil?: Date | undefined;
}

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
  @Column('text') state: NoticeState;
  /** Null also after a failed attempt, which waits for the next one. */
  @Column('text', { nullable: true }) hold: NoticeHold | null;
  @Column('integer') attempts: number;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz', { nullable: true }) nextAttemptAt: Date | null;
  /**
   * The run that claimed it last, which alone sends it while it holds its lease. Notices of one claim that were not
   * sent are tried again together, as the same message. Null when no attempt was made.
   */
  @Column('uuid', { nullable: true }) claimedBy: string | null;
  /** The first of the refusals in a row that the last attempt belongs to; null when it was not refused. */
  @Column('timestamptz', { nullable: true }) refusedSince: Date | null;
  /** Mail addresses, in lower case, that got the message although the attempt failed for others. */
  @Column('text', { array: true, default: '{}' }) told: string[];
  @Column('timestamptz', { nullable: true }) sentAt: Date | null;
  /** When the escalation channel of the subscription is told, unless the problem is over by then. */
  @Column('timestamptz', { nullable: true }) escalateAt: Date | null;
  /** The notice on which nobody acted; null unless this one is an escalation. */
  @Column('integer', { nullable: true }) escalatesId: number | null;
  @Column('timestamptz') createdAt: Date;

  sent(now: Date): void {
    this.end('sent');
    this.sentAt = now;
  }

  /** It no longer applies. No fault stays: it was not given up, and returns when it applies again. */
  drop(): void {
    this.end('dropped');
    this.fault = null;
    this.faultDetail = null;
  }

  /**
   * Not sent before `until`, for this reason. What waits because of a person, for days perhaps, is not refused
   * meanwhile. Quiet hours and digests return every day: between them the refusals would never last long enough.
   */
  wait({ until, hold }: NoticeWait): void {
    this.hold = hold;
    this.nextAttemptAt = until;
    if (hold === 'paused' || hold === 'acknowledged') this.refusedSince = null;
    if (this.attempts === 0) this.claimedBy = null;
  }

  /** The attempt failed. After days of refusals there is no other, unless somebody must still hear of it. */
  fail(failure: Failure, { now, again, neededUntil }: NoticeRetry): void {
    this.hold = null;
    this.attempts += 1;
    this.fault = failure.fault;
    this.faultDetail = failure.detail;
    this.told = [...new Set([...this.told, ...(failure.told ?? [])])];
    this.nextAttemptAt = again;
    this.refusedSince = failure.fault === 'refused' ? (this.refusedSince ?? now) : null;
    if (this.refusedSince === null || this.attempts < leastAttempts) return;
    const since = Math.max(this.refusedSince.getTime(), neededUntil?.getTime() ?? 0);
    if (now.getTime() - since >= longestRefusedMs) this.end('dropped');
  }

  /** As `fail`, and tried again without the other notices of its message. */
  failApart(failure: Failure, retry: NoticeRetry): void {
    this.fail(failure, retry);
    this.claimedBy = null;
  }

  /**
   * Due at once, also after it was refused. A run that is sending it is not disturbed. Throws Problem `wrong-state` for
   * a notice that was sent, no longer applies or is held.
   */
  retry(now: Date): void {
    if (this.hold !== null)
      throw new Problem('wrong-state', `Notice ${this.id} waits until ${this.nextAttemptAt?.toISOString() ?? 'then'}.`);
    if (this.state !== 'due' && !(this.state === 'dropped' && this.fault !== null))
      throw new Problem('wrong-state', `Notice ${this.id} is ${this.state}: there is nothing to send.`);
    this.state = 'due';
    this.attempts = 0;
    this.refusedSince = null;
    this.nextAttemptAt = now;
  }

  private end(state: 'sent' | 'dropped'): void {
    this.state = state;
    this.hold = null;
    this.nextAttemptAt = null;
    this.claimedBy = null;
    this.refusedSince = null;
  }
}
