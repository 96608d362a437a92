import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, sealedColumn } from '../secrets/sealed.js';

/** A request with an Idempotency-Key. Its content is sealed: requests and answers may have secrets. */
@Entity('idempotent_request')
export class IdempotentRequest {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Binds the sealed columns to this row. */
  @Column('uuid') secretId: string;
  @Column('integer') userId: number;
  @Column('text') key: string;
  /** SHA-256 of the request. */
  @Column('bytea', { transformer: sealedColumn }) sealedRequest: Sealed;
  /** The HTTP status of its answer; null until it was answered. */
  @Column('integer', { nullable: true }) status: number | null;
  /** The answer as JSON; null when there is none, or when it was too long to keep. */
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedAnswer: Sealed | null;
  @Column('timestamptz') createdAt: Date;
}
