import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * One run of a job, kept for 7 days. Its outcome is null while it runs, or when its worker died and no other worker has
 * taken the job over yet.
 */
@Entity('job_run')
@Index('job_run_outbox', ['outboxId'])
@Index('job_run_started', ['startedAt'])
@Check('job_run_outcome', `outcome in ('ok', 'failed', 'lost', 'postponed')`)
@Check('job_run_finished', '(finished_at is null) = (outcome is null)')
export class JobRun {
  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ type: 'text' })
  job: string;

  /** The outbox row may be deleted already. */
  @Column({ type: 'uuid' })
  outboxId: string;

  /** 1 for the first run. */
  @Column({ type: 'integer' })
  attempt: number;

  /** `host:pid` of the process that runs it. */
  @Column({ type: 'text' })
  worker: string;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  startedAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  finishedAt: Date | null;

  /**
   * `lost`: the worker died, lost its lease or was shut down. `postponed`: the handler could not start its work. A
   * postponed run and a shutdown do not count as attempts.
   */
  @Column({ type: 'text', nullable: true })
  outcome: 'ok' | 'failed' | 'lost' | 'postponed' | null;

  /** `name: message`, at most 500 characters. */
  @Column({ type: 'text', nullable: true })
  error: string | null;
}
