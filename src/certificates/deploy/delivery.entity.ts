import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { DeliveredFile } from '../../plugin-api/destination.js';
import { Problem } from '../../platform/http/problem.js';
import { retryAt } from '../../platform/retry.js';
import type { Failure } from '../failure.js';
import { type CheckResult, type Finding, judged, type Verification, waitAfter } from './verification.js';

/**
 * The states of a delivery. `failing`: an attempt failed, and is retried. `leaving`: the certificate is revoked, and is
 * removed once its successor has arrived. `removing`: the certificate is to be removed. `replaced`: a successor is at
 * the location, or will be. `stopped`: the certificate ended before it was delivered. `left`: the destination cannot
 * remove the certificate, so that a person must. `rolled-back`: it did not come into use, so that its predecessor was
 * delivered again.
 */
export const deliveryStates = [
  'planned',
  'delivered',
  'failing',
  'leaving',
  'removing',
  'removed',
  'replaced',
  'stopped',
  'left',
  'rolled-back',
] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** The states that may follow each state. */
const moves: Partial<Record<DeliveryState, readonly DeliveryState[]>> = {
  planned: ['delivered', 'failing', 'leaving', 'removing', 'replaced', 'stopped'],
  failing: ['delivered', 'failing', 'planned', 'leaving', 'removing', 'replaced', 'stopped'],
  delivered: ['replaced', 'leaving', 'removing', 'planned', 'rolled-back'],
  'rolled-back': ['planned', 'replaced', 'leaving', 'removing', 'stopped'],
  stopped: ['planned', 'leaving', 'removing'],
  replaced: ['planned', 'leaving', 'removing'],
  leaving: ['removing'],
  removing: ['planned', 'removed', 'removing', 'left'],
  removed: ['removing'],
  left: ['planned', 'removing'],
};

/** From here on a twentieth is longer than any wait before a retry. */
const shortLifetimeMs = 5 * 86_400_000;

/** The states of the hook after a delivery. */
export const hookStates = ['due', 'done'] as const;
type HookState = (typeof hookStates)[number];

/** A delivery: one certificate at one destination, with its state and its attempts. */
@Entity('delivery')
export class Delivery {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') certificateId: number;
  @Column('integer') destinationId: number;
  @Column('text') state: DeliveryState;
  @Column('text', { nullable: true }) location: string | null;
  /** The files that were last delivered, as names and digests; null before that, and when there are none. */
  @Column('jsonb', { nullable: true }) files: DeliveredFile[] | null;
  @Column('integer') attempts: number;
  /** Counts the decisions to deliver or remove; what is tried again after a failure is still the same. */
  @Column('integer') round: number;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  /** The next attempt; of a delivered certificate, the next check. */
  @Column('timestamptz', { nullable: true }) nextAttemptAt: Date | null;
  @Column('timestamptz', { nullable: true }) lastAttemptAt: Date | null;
  @Column('timestamptz', { nullable: true }) deliveredAt: Date | null;
  /** What is known about whether the delivered certificate is in use; null before a check. */
  @Column('text', { nullable: true }) verification: Verification | null;
  @Column('text', { nullable: true }) verificationDetail: string | null;
  @Column('timestamptz', { nullable: true }) verifiedAt: Date | null;
  @Column('timestamptz', { nullable: true }) checkedAt: Date | null;
  /** Of a delivered certificate, whether the hook of its destination has run; null when it has none. */
  @Column('text', { nullable: true }) hook: HookState | null;
  @Column('timestamptz', { nullable: true }) hookedAt: Date | null;
  @Column('timestamptz') createdAt: Date;

  /** True while the certificate is still to be delivered or removed. */
  get open(): boolean {
    return this.state === 'planned' || this.state === 'failing' || this.state === 'removing';
  }

  /**
   * True when the certificate is or may be at the destination: a failed attempt, or one without an answer, may have
   * written it.
   */
  get mayStand(): boolean {
    if (this.state === 'removed' || this.state === 'left') return false;
    return this.state === 'delivered' || this.location !== null || this.lastAttemptAt !== null;
  }

  /** An attempt starts. If it ends without an outcome, the next one is due at `again`. */
  begin(now: Date, again: Date): void {
    this.lastAttemptAt = now;
    this.nextAttemptAt = again;
  }

  /**
   * The certificate was written at `location`. False when a successor has replaced it, or when it is no longer wanted
   * at the destination: then the delivery does not count as arrived.
   */
  noteArrival(location: string): boolean {
    if (this.state === 'replaced') return false;
    this.location = location;
    return this.state === 'planned' || this.state === 'failing' || this.state === 'delivered';
  }

  /** The certificate was written, and `finding` tells whether it is in use. */
  arrive(now: Date, finding: Finding, everyMs: number): CheckResult {
    if (this.state !== 'delivered') this.become('delivered');
    this.deliveredAt = now;
    this.rest();
    this.verification = 'pending';
    return this.check(finding, now, everyMs);
  }

  /** The certificate was written. It is not in use before the hook of its destination has run, which is due now. */
  arriveBeforeHook(now: Date): CheckResult {
    const result = this.arrive(now, { outcome: 'unknown', detail: 'The hook of the destination is to run first.' }, 0);
    this.hook = 'due';
    this.nextAttemptAt = now;
    return result;
  }

  /** The hook has run: the certificate is checked now. */
  noteHook(now: Date): void {
    this.hook = 'done';
    this.hookedAt = now;
    this.forgetFailures();
    this.nextAttemptAt = now;
  }

  /** Stores what a check of a delivered certificate found. The next one is due after `everyMs`; 0: none is. */
  check(finding: Finding, now: Date, everyMs: number): CheckResult {
    const before = this.verification;
    this.forgetFailures();
    const since = this.hookedAt ?? this.deliveredAt ?? now;
    const { verification, result } = judged(before, finding, now.getTime() - since.getTime());
    this.verification = verification;
    this.verificationDetail = finding.detail;
    this.checkedAt = now;
    if (finding.outcome === 'match') this.verifiedAt = now;
    const waitMs = result === 'waiting' ? waitAfter(now, since) : everyMs;
    const isLast = finding.outcome === 'not-verifiable' || waitMs === 0;
    this.nextAttemptAt = isLast ? null : new Date(now.getTime() + waitMs);
    return result;
  }

  /** The certificate is not in use, and its predecessor is delivered again. It is tried again at `again`. */
  rollBack(detail: string, again: Date): void {
    this.become('rolled-back');
    this.attempts = 1;
    this.fault = 'unverified';
    this.faultDetail = detail;
    this.nextAttemptAt = again;
  }

  /** True when the certificate is at the destination and nothing says that it is not in use. */
  get isComplete(): boolean {
    return this.state === 'delivered' && this.verification !== 'pending' && this.verification !== 'differs';
  }

  /** True while the certificate is still to come into use at the destination. */
  get isAwaited(): boolean {
    return (
      ['planned', 'failing', 'rolled-back'].includes(this.state) || (this.state === 'delivered' && !this.isComplete)
    );
  }

  /**
   * An attempt failed. A delivered certificate stays delivered when its check fails. It is tried again later: at the
   * latest after a twentieth of `lifetimeMs`, that of the certificate, since its predecessor may expire meanwhile.
   */
  fail(failure: Failure, now: Date, lifetimeMs = Infinity): void {
    if (this.state !== 'removing' && this.state !== 'delivered') this.become('failing');
    this.attempts += 1;
    this.fault = failure.fault;
    this.faultDetail = failure.detail;
    const atMostMs = lifetimeMs < shortLifetimeMs ? Math.max(lifetimeMs / 20, 10_000) : undefined;
    this.nextAttemptAt = retryAt(now, this.attempts, { hintS: failure.retryAfterS, atMostMs });
  }

  /** A check starts. If it ends without an outcome, the next one is due at `again`. */
  beginCheck(again: Date | null): void {
    this.nextAttemptAt = again;
  }

  /** A revoked certificate cannot be removed yet. The removal is due again at `until`. */
  postpone(until: Date): void {
    this.nextAttemptAt = until;
  }

  /** Retries a delivery or removal at once, or delivers a delivered certificate again. */
  retry(now: Date): void {
    // Its predecessor has the location now.
    if (this.state === 'rolled-back') this.location = null;
    if (['delivered', 'failing', 'rolled-back'].includes(this.state)) this.become('planned');
    this.verification = null;
    this.hook = null;
    if (this.state === 'left' || this.state === 'leaving') this.become('removing');
    if (!this.open)
      throw new Problem('wrong-state', `Delivery ${this.id} is ${this.state}: there is nothing to try again.`);
    this.startRound(now);
  }

  /** The certificate is revoked: it is removed once its successor has arrived. */
  withdraw(now: Date): void {
    this.become('leaving');
    this.rest();
    this.nextAttemptAt = now;
  }

  remove(now: Date): void {
    this.become('removing');
    this.startRound(now);
  }

  /** The certificate is wanted at the destination again: it is delivered again. */
  stay(now: Date): void {
    this.become('planned');
    this.startRound(now);
  }

  removed(): void {
    this.become('removed');
    this.rest();
  }

  /** The destination cannot remove the certificate, which stays there until a person removes it. */
  leave(detail: string): void {
    this.become('left');
    this.rest();
    this.fault = 'misconfigured';
    this.faultDetail = detail;
  }

  replace(): void {
    this.become('replaced');
    this.rest();
  }

  stop(): void {
    this.become('stopped');
    this.rest();
  }

  private startRound(now: Date): void {
    this.round += 1;
    this.attempts = 0;
    this.nextAttemptAt = now;
  }

  private rest(): void {
    this.verification = null;
    this.verificationDetail = null;
    this.hook = null;
    this.hookedAt = null;
    this.forgetFailures();
    this.nextAttemptAt = null;
  }

  private forgetFailures(): void {
    this.attempts = 0;
    this.fault = null;
    this.faultDetail = null;
  }

  private become(to: DeliveryState): void {
    if (!moves[this.state]?.includes(to))
      throw new Problem('wrong-state', `Delivery ${this.id} is ${this.state}; it cannot become ${to}.`);
    this.state = to;
  }
}
