import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import type { ItemFailure } from './task-report.js';

export const taskOutcomes = ['ok', 'failed', 'lost', 'stopped'] as const;

/** One run of a periodic task. The newest 1,000 of each task are kept. */
@Entity('task_run')
@Index('task_run_task', ['task', 'id'])
@Index('task_run_open', ['task'], { where: 'outcome is null', unique: true })
@Check('task_run_outcome', `outcome in ('ok', 'failed', 'lost', 'stopped')`)
@Check('task_run_finished', '(finished_at is null) = (outcome is null)')
export class TaskRun {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'bigint' })
  readonly id: string;

  @Column({ type: 'text' })
  task: string;

  /** `host:pid` of the process that runs it. */
  @Column({ type: 'text' })
  worker: string;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  startedAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  finishedAt: Date | null;

  /** Null while it runs. `lost`: its process died. `stopped`: its process was shut down. */
  @Column({ type: 'text', nullable: true })
  outcome: (typeof taskOutcomes)[number] | null;

  /** `name: message`, at most 500 characters: why the run as a whole failed. */
  @Column({ type: 'text', nullable: true })
  error: string | null;

  /** What the run has handled, by kind: `{"renewals": 12}`. */
  @Column({ type: 'jsonb', default: {} })
  counts: Record<string, number>;

  /** The items that failed while the others went on, at most 100. */
  @Column({ type: 'jsonb', default: [] })
  failures: ItemFailure[];
}
