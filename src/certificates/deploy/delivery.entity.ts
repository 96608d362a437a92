import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Problem } from '../../platform/http/problem.js';
import { retryAt } from '../../platform/retry.js';
import type { Failure } from '../failure.js';

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
] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/**
 * `replaced`: a successor stands in its place, or will. `stopped`: the certificate ended before anything was delivered.
 * `leaving`: the certificate is revoked, and is removed once what replaces it is there. `left`: it must leave, but the
 * destination can remove nothing, so a person must.
 */
const moves: Partial<Record<DeliveryState, readonly DeliveryState[]>> = {
  planned: ['delivered', 'failing', 'leaving', 'removing', 'replaced', 'stopped'],
  failing: ['delivered', 'failing', 'planned', 'leaving', 'removing', 'replaced', 'stopped'],
  delivered: ['replaced', 'leaving', 'removing', 'planned'],
  stopped: ['planned', 'leaving', 'removing'],
  replaced: ['planned', 'leaving', 'removing'],
  leaving: ['removing'],
  removing: ['planned', 'removed', 'removing', 'left'],
  removed: ['removing'],
  left: ['planned', 'removing'],
};

/** One certificate on its way to one destination, and what became of it. */
@Entity('delivery')
export class Delivery {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') certificateId: number;
  @Column('integer') destinationId: number;
  @Column('text') state: DeliveryState;
  @Column('text', { nullable: true }) location: string | null;
  @Column('integer') attempts: number;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz', { nullable: true }) nextAttemptAt: Date | null;
  @Column('timestamptz', { nullable: true }) lastAttemptAt: Date | null;
  @Column('timestamptz', { nullable: true }) deliveredAt: Date | null;
  @Column('timestamptz') createdAt: Date;

  /** True while there is something to bring or to take away. */
  get open(): boolean {
    return this.state === 'planned' || this.state === 'failing' || this.state === 'removing';
  }

  /** True when it stands there or may: an attempt that failed, or never answered, can have written it all the same. */
  get mayStand(): boolean {
    if (this.state === 'removed' || this.state === 'left') return false;
    return this.state === 'delivered' || this.location !== null || this.lastAttemptAt !== null;
  }

  /** An attempt begins. Should it vanish without a word, the next one is due at `again`. */
  begin(now: Date, again: Date): void {
    this.lastAttemptAt = now;
    this.nextAttemptAt = again;
  }

  /**
   * It has been written there. False when that no longer counts: a successor took its place meanwhile, or it is not
   * wanted there any more.
   */
  noteArrival(location: string): boolean {
    if (this.state === 'replaced') return false;
    this.location = location;
    return this.state === 'planned' || this.state === 'failing' || this.state === 'delivered';
  }

  arrive(now: Date): void {
    if (this.state !== 'delivered') this.become('delivered');
    this.deliveredAt = now;
    this.rest();
  }

  fail(failure: Failure, now: Date): void {
    if (this.state !== 'removing') this.become('failing');
    this.attempts += 1;
    this.fault = failure.fault;
    this.faultDetail = failure.detail;
    this.nextAttemptAt = retryAt(now, this.attempts, { hintS: failure.retryAfterS });
  }

  /** A revoked certificate may not leave yet: that is checked again at `until`. */
  postpone(until: Date): void {
    this.nextAttemptAt = until;
  }

  /** Tries again at once, or delivers once more what has arrived already. */
  retry(now: Date): void {
    if (this.state === 'delivered' || this.state === 'failing') this.become('planned');
    if (this.state === 'left' || this.state === 'leaving') this.become('removing');
    if (!this.open)
      throw new Problem('wrong-state', `Delivery ${this.id} is ${this.state}: there is nothing to try again.`);
    this.attempts = 0;
    this.nextAttemptAt = now;
  }

  /** The certificate is revoked: it is removed once what replaces it is there. */
  withdraw(now: Date): void {
    this.become('leaving');
    this.rest();
    this.nextAttemptAt = now;
  }

  remove(now: Date): void {
    this.become('removing');
    this.attempts = 0;
    this.nextAttemptAt = now;
  }

  /** It is to stand there after all; what a removal has done already, or a successor, is made up for. */
  stay(now: Date): void {
    this.become('planned');
    this.attempts = 0;
    this.nextAttemptAt = now;
  }

  removed(): void {
    this.become('removed');
    this.rest();
  }

  /** The destination can remove nothing: it stays there until a person removes it. */
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

  private rest(): void {
    this.attempts = 0;
    this.fault = null;
    this.faultDetail = null;
    this.nextAttemptAt = null;
  }

  private become(to: DeliveryState): void {
    if (!moves[this.state]?.includes(to))
      throw new Problem('wrong-state', `Delivery ${this.id} is ${this.state}; it cannot become ${to}.`);
    this.state = to;
  }
}
