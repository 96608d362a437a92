import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { IdempotentRequests } from '../platform/http/idempotent-requests.js';
import { eachPart } from './each-part.js';
import { OutboxRepository } from './outbox.repository.js';
import { Periodic } from './periodic.js';
import { PeriodicRepository } from './periodic.repository.js';
import type { TaskReport } from './task-report.js';

const hourS = 3_600;
const ages = { doneS: 24 * hourS, deadS: 30 * 24 * hourS, runsS: 7 * 24 * hourS };
const batch = 1_000;

/**
 * Deletes, every hour, jobs done more than a day ago, dead letters older than 30 days, runs of jobs older than a week,
 * old runs of periodic tasks, and the answers to requests with an Idempotency-Key of more than a day ago.
 */
@Injectable()
export class Pruning implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly outbox: OutboxRepository,
    private readonly periodic: Periodic,
    private readonly tasks: PeriodicRepository,
    private readonly requests: IdempotentRequests,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('jobs.prune', hourS, (signal, report) => this.prune(signal, report));
  }

  /** Deletes in batches, each in its own transaction, so that no lock is held for long. */
  async prune(signal: AbortSignal, report: TaskReport): Promise<void> {
    const yesterday = new Date(this.clock.now().getTime() - 24 * hourS * 1000);
    const untilNoneIsLeft = async (kind: string, prune: () => Promise<number>): Promise<void> => {
      for (let pruned = batch; pruned >= batch && !signal.aborted; report.count(kind, pruned)) pruned = await prune();
    };
    await eachPart(report, {
      jobs: () => untilNoneIsLeft('jobs', () => this.outbox.prune(this.db.single, ages, batch)),
      taskRuns: () => untilNoneIsLeft('taskRuns', () => this.tasks.prune(this.db.single, batch)),
      requests: () => untilNoneIsLeft('requests', () => this.requests.prune(yesterday, batch)),
    });
  }
}
