import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** `due`: runs at `runAt`, or runs now. `dead`: a dead letter, whose attempts are used up; somebody may replay it. */
export type OutboxState = 'due' | 'done' | 'dead';

/**
 * One job. It is written in the transaction that causes it and kept for a day after it is done. A dead letter is kept
 * for 30 days, unless it is replayed or the same job succeeds before.
 */
@Entity('outbox')
@Index('outbox_due', { synchronize: false })
@Index('outbox_done', ['finishedAt'], { where: `state = 'done'` })
@Index('outbox_dead', ['job'], { where: `state = 'dead'` })
@Index('outbox_newest', ['createdAt', 'id'])
@Check('outbox_state', `state in ('due', 'done', 'dead')`)
@Check('outbox_lease', '(lease_until is null) = (leased_by is null)')
@Index('outbox_waiting', { synchronize: false })
@Index('outbox_identity', ['job', 'identity'], { where: `state <> 'done'` })
@Index('outbox_leased', ['lane'], { where: `state = 'due' and leased_by is not null` })
@Check('outbox_finished', `(finished_at is null) = (state = 'due')`)
export class OutboxEntry {
  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ type: 'text' })
  job: string;

  /** Ids only; its shape is the job's schema. */
  @Column({ type: 'jsonb' })
  data: unknown;

  /** Derived from the data. At most one row of the same job and identity waits. */
  @Column({ type: 'text', default: () => 'gen_random_uuid()' })
  identity: string;

  /** The lane whose limits apply to the job; empty when it is in no lane. */
  @Column({ type: 'text', default: '' })
  lane: string;

  /** False from the start of a run until it ends: the same job may then be enqueued as a second row. */
  @Column({ type: 'boolean', default: true })
  waiting: boolean;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  runAt: Date;

  /** Runs that started, without postponed runs and runs that shutdown interrupted. */
  @Column({ type: 'integer', default: 0 })
  attempts: number;

  @Column({ type: 'text', default: 'due' })
  state: OutboxState;

  /** No other run may take the row before this time. */
  @Column({ type: 'timestamptz', nullable: true })
  leaseUntil: Date | null;

  /** The id of the run that holds the row, or `queue` while the row is in the queue. */
  @Column({ type: 'text', nullable: true })
  leasedBy: string | null;

  @Column({ type: 'text', nullable: true })
  lastError: string | null;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  finishedAt: Date | null;
}
