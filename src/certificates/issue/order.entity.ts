import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { splitCertificates } from '../../pki/pem.js';
import type { IssuedCertificate, Outcome } from '../../plugin-api/issuer.js';
import { Sealed, sealedColumn } from '../../platform/secrets/sealed.js';

/** An answer of an issuer that failed a check. `chainPem` is leaf first. */
export interface DisputedAnswer {
  chainPem: string;
  serialHex: string;
  externalId: string | null;
  /** The check that failed, for people. */
  reason: string;
}

/** What an issuer says of an order that it works on. */
export type Progress = Pick<Extract<Outcome, { status: 'pending' }>, 'progress' | 'awaitsApproval' | 'expiresAt'>;

const believedTimes = 3;
const believedAfterMs = 6 * 3_600_000;

/**
 * A CA that refuses to say how far an order is may know it again later. It is believed after so many refusals over so
 * long.
 */
export function isBelieved(refusals: number, since: Date, now: Date): boolean {
  return refusals >= believedTimes && now.getTime() - since.getTime() >= believedAfterMs;
}

/** What is known of the order at an issuer outside the process, beside the row of its certificate. */
@Entity('certificate_order')
export class Order {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') certificateId: number;
  /** Binds the sealed state to this row. */
  @Column('uuid') secretId: string;
  /** What the issuer must remember of the order, opaque: see `save` in the contract of issuers. */
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedState: Sealed | null;
  /** When the issuer was first asked; null: no order can exist there. */
  @Column('timestamptz', { nullable: true }) askedAt: Date | null;
  /** An order that is open then fails. */
  @Column('timestamptz') deadlineAt: Date;
  /** What the CA waits for, for people. */
  @Column('text', { nullable: true }) progress: string | null;
  /** A person at the CA must approve it. */
  @Column('boolean') awaitsApproval: boolean;
  /** How often in a row the CA refused to say how far it is, and since when. */
  @Column('integer') refusals: number;
  @Column('timestamptz', { nullable: true }) refusedSince: Date | null;
  @Column('timestamptz', { nullable: true }) disputedAt: Date | null;
  @Column('text', { nullable: true }) disputedChainPem: string | null;
  @Column('text', { nullable: true }) disputedSerialHex: string | null;
  @Column('text', { nullable: true }) disputedExternalId: string | null;

  /** The CA works on it. */
  goOn({ progress, awaitsApproval = false, expiresAt }: Progress): void {
    Object.assign(this, { progress: progress ?? null, awaitsApproval });
    this.trust();
    if (expiresAt) this.shorten(expiresAt);
  }

  /** The CA refuses to say how far it is. True when it is to be believed that the order is dead. */
  doubt(now: Date): boolean {
    this.refusals += 1;
    this.refusedSince ??= now;
    return isBelieved(this.refusals, this.refusedSince, now);
  }

  /** The CA knows the order. */
  trust(): void {
    Object.assign(this, { refusals: 0, refusedSince: null });
  }

  dispute({ chainPem, serialHex, externalId }: DisputedAnswer, now: Date): void {
    Object.assign(this, {
      disputedAt: now,
      disputedChainPem: chainPem,
      disputedSerialHex: serialHex,
      disputedExternalId: externalId,
    });
  }

  /** The answer is accepted, rejected, or no longer needed. */
  settleDispute(): void {
    Object.assign(this, {
      disputedAt: null,
      disputedChainPem: null,
      disputedSerialHex: null,
      disputedExternalId: null,
    });
  }

  /** The CA has fulfilled it. */
  end(): void {
    this.settleDispute();
    this.sealedState = null;
  }

  /** The issuer says that the order ends at `at`; never later than the deadline. */
  private shorten(at: Date): void {
    if (at < this.deadlineAt) this.deadlineAt = at;
  }
}

/** The answer in dispute, if there is one. */
export function disputedAnswer({ disputedChainPem, disputedExternalId }: Order): IssuedCertificate | null {
  if (disputedChainPem === null) return null;
  return { chainPem: splitCertificates(disputedChainPem), externalId: disputedExternalId ?? undefined };
}

/** The place that an order's sealed state is bound to. */
export function orderStatePlace(secretId: string): string {
  return `certificate_order.sealed_state.${secretId}`;
}
