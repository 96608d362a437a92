import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** `due`: to be run at `runAt` or running now. `dead`: given up, waits for a person. */
export type OutboxState = 'due' | 'done' | 'dead';

/**
 * One job to do: written in the transaction that causes it, and kept for a day after it is done. A dead letter is kept
 * until it is replayed, the same job succeeds, or 30 days are over.
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

  /** Derived from the data: of one job and identity at most one row waits. */
  @Column({ type: 'text', default: () => 'gen_random_uuid()' })
  identity: string;

  /** The lane whose limits the job obeys; empty: none. */
  @Column({ type: 'text', default: '' })
  lane: string;

  /** While it is due: no run of it is under way, so that whoever enqueues the same job needs no second row. */
  @Column({ type: 'boolean', default: true })
  waiting: boolean;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  runAt: Date;

  /** Runs begun. One that was handed back at shutdown does not count. */
  @Column({ type: 'integer', default: 0 })
  attempts: number;

  @Column({ type: 'text', default: 'due' })
  state: OutboxState;

  /** Nobody else may take the row before this. */
  @Column({ type: 'timestamptz', nullable: true })
  leaseUntil: Date | null;

  /** The id of the run that holds the row, or `queue` between hand-over and claim. */
  @Column({ type: 'text', nullable: true })
  leasedBy: string | null;

  @Column({ type: 'text', nullable: true })
  lastError: string | null;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  finishedAt: Date | null;
}
