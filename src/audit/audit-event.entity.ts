import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** One audit event: who did what. Append-only: a trigger refuses every later change except sealing. */
@Entity('audit_event')
@Index('audit_event_seq_unique', ['seq'], { unique: true })
@Index('audit_event_unsealed_index', ['id'], { where: 'seq is null' })
@Index('audit_event_target_index', ['targetType', 'targetId', 'id'])
@Index('audit_event_action_index', ['action', 'id'])
@Index('audit_event_actor_index', ['actorUserId', 'id'])
@Index('audit_event_at_index', { synchronize: false })
@Check(
  'audit_event_states',
  `(before is null or jsonb_typeof(before) = 'object') and (after is null or jsonb_typeof(after) = 'object')`,
)
@Check('audit_event_key', 'key_id is null or seq is not null')
@Check(
  'audit_event_sealed',
  `num_nulls(seq, prev_hash, hash) = 3
  or (num_nulls(seq, prev_hash, hash) = 0 and seq > 0 and octet_length(prev_hash) = 32 and octet_length(hash) = 32)`,
)
export class AuditEvent {
  /** Decimal text. In order of insertion, with gaps where transactions were rolled back. */
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'BY DEFAULT' })
  id: string;

  /** The start of the transaction, to the millisecond. */
  @Column({ type: 'timestamptz', precision: 3, default: () => 'now()' })
  at: Date;

  /** `thing.done`, e.g. `certificate.issued`. */
  @Column({ type: 'text' })
  action: string;

  @Column({ type: 'text' })
  targetType: string;

  @Column({ type: 'text' })
  targetId: string;

  /** Null when the program itself or an anonymous caller acted. */
  @Column({ type: 'integer', nullable: true })
  actorUserId: number | null;

  /** The API key that the user acted with; null in a session. */
  @Column({ type: 'integer', nullable: true })
  apiKeyId: number | null;

  @Column({ type: 'text' })
  actorName: string;

  @Column({ type: 'text' })
  address: string;

  @Column({ type: 'text' })
  requestId: string;

  @Column({ type: 'jsonb', nullable: true })
  before: Record<string, unknown> | null;

  @Column({ type: 'jsonb', nullable: true })
  after: Record<string, unknown> | null;

  /** Place in the hash chain, from 1 without gaps, as decimal text; null until sealed. */
  @Column({ type: 'bigint', nullable: true })
  seq: string | null;

  /** Hash of the row at `seq - 1`; 32 zero bytes in the first row. */
  @Column({ type: 'bytea', nullable: true })
  prevHash: Buffer | null;

  /** HMAC over `prevHash` and the canonical form of the row (see chain.ts); SHA-256 when `keyId` is null. */
  @Column({ type: 'bytea', nullable: true })
  hash: Buffer | null;

  /**
   * The key that sealed the row (see audit-keys.ts); null until sealed, and in rows that versions without keys sealed.
   */
  @Column({ type: 'text', nullable: true })
  keyId: string | null;
}
