import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** One audit event: who did what. Append-only: a trigger refuses every later change. Its seal is in `AuditSeal`. */
@Entity('audit_event')
@Index('audit_event_target_index', ['targetType', 'targetId', 'id'])
@Index('audit_event_action_index', ['action', 'id'])
@Index('audit_event_actor_index', ['actorUserId', 'id'])
@Index('audit_event_at_index', { synchronize: false })
@Check(
  'audit_event_states',
  `(before is null or jsonb_typeof(before) = 'object') and (after is null or jsonb_typeof(after) = 'object')`,
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
}
