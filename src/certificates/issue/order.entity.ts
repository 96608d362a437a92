import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, sealedColumn } from '../../platform/secrets/sealed.js';

/** An answer of an issuer that failed a check. `chainPem` is leaf first. */
export interface DisputedAnswer {
  chainPem: string;
  serialHex: string;
  externalId: string | null;
  /** The check that failed, for people. */
  reason: string;
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
  @Column('timestamptz', { nullable: true }) disputedAt: Date | null;
  @Column('text', { nullable: true }) disputedChainPem: string | null;
  @Column('text', { nullable: true }) disputedSerialHex: string | null;
  @Column('text', { nullable: true }) disputedExternalId: string | null;

  /** The issuer says that the order ends at `at`; never later than the deadline. */
  shorten(at: Date): void {
    if (at < this.deadlineAt) this.deadlineAt = at;
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

  /** The certificate is issued. */
  end(): void {
    this.settleDispute();
    this.sealedState = null;
  }
}

/** The place that an order's sealed state is bound to. */
export function orderStatePlace(secretId: string): string {
  return `certificate_order.sealed_state.${secretId}`;
}
