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

/** What an issuer reports about an order that it works on. */
export type Progress = Pick<Extract<Outcome, { status: 'pending' }>, 'progress' | 'awaitsApproval' | 'expiresAt'>;

const believedTimes = 3;
const believedAfterMs = 6 * 3_600_000;

/**
 * A CA that refuses to report on an order may know it again later. True after enough refusals over enough time: the
 * order then counts as ended at the CA.
 */
export function isBelieved(refusals: number, since: Date, now: Date): boolean {
  return refusals >= believedTimes && now.getTime() - since.getTime() >= believedAfterMs;
}

/** The order for a certificate at an issuer outside the process: deadline, progress, and an answer in dispute. */
@Entity('certificate_order')
export class Order {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') certificateId: number;
  /** Part of the associated data of the sealed state, so that it opens for this row only. */
  @Column('uuid') secretId: string;
  /** Opaque state of the issuer plugin for this order; see `save` in src/plugin-api/issuer.ts. */
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedState: Sealed | null;
  /** When the issuer was first asked. Null: no order can exist at the CA. */
  @Column('timestamptz', { nullable: true }) askedAt: Date | null;
  /** An order that is still open at this time fails. */
  @Column('timestamptz') deadlineAt: Date;
  /** What the CA waits for, for people. */
  @Column('text', { nullable: true }) progress: string | null;
  /** A person at the CA must approve it. */
  @Column('boolean') awaitsApproval: boolean;
  /** How often in a row the CA refused to report on the order, and since when. */
  @Column('integer') refusals: number;
  @Column('timestamptz', { nullable: true }) refusedSince: Date | null;
  @Column('timestamptz', { nullable: true }) disputedAt: Date | null;
  @Column('text', { nullable: true }) disputedChainPem: string | null;
  @Column('text', { nullable: true }) disputedSerialHex: string | null;
  @Column('text', { nullable: true }) disputedExternalId: string | null;

  /** The CA works on the order. */
  goOn({ progress, awaitsApproval = false, expiresAt }: Progress): void {
    Object.assign(this, { progress: progress ?? null, awaitsApproval });
    this.trust();
    if (expiresAt) this.shorten(expiresAt);
  }

  /** The CA refuses to report on the order. True when the order counts as ended; see isBelieved. */
  doubt(now: Date): boolean {
    this.refusals += 1;
    this.refusedSince ??= now;
    return isBelieved(this.refusals, this.refusedSince, now);
  }

  /** The CA knows the order: earlier refusals are forgotten. */
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

  /** The order has ended. Its state and its answer in dispute are deleted. */
  end(): void {
    this.settleDispute();
    this.sealedState = null;
  }

  /** The issuer reports that the order expires at `at`. Never makes the deadline later. */
  private shorten(at: Date): void {
    if (at < this.deadlineAt) this.deadlineAt = at;
  }
}

/** The answer in dispute, if there is one. */
export function disputedAnswer({ disputedChainPem, disputedExternalId }: Order): IssuedCertificate | null {
  if (disputedChainPem === null) return null;
  return { chainPem: splitCertificates(disputedChainPem), externalId: disputedExternalId ?? undefined };
}

/** The associated data of an order's sealed state, which binds it to its row. */
export function orderStatePlace(secretId: string): string {
  return `certificate_order.sealed_state.${secretId}`;
}
