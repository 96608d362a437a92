import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { Readiness } from '../platform/health/readiness.js';
import { Metrics, type MetricWords } from '../platform/metrics.js';
import { type OutboxCount, OutboxRepository } from './outbox.repository.js';
import { PeriodicRepository, type PeriodicStatus } from './periodic.repository.js';
import { Queue } from './queue.js';
import { TaskHealth } from './task-health.js';

/**
 * Prometheus gauges for jobs and periodic tasks, and the readiness check of the queue. The numbers come from the
 * database, so that every process reports the same.
 */
@Injectable()
export class JobMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly readiness: Readiness,
    private readonly queue: Queue,
    private readonly db: Database,
    private readonly outbox: OutboxRepository,
    private readonly periodic: PeriodicRepository,
    private readonly health: TaskHealth,
  ) {}

  onModuleInit(): void {
    this.readiness.add('queue', () => this.queue.fault());
    const { db, outbox, periodic } = this;
    const jobs = (): Promise<OutboxCount[]> => outbox.counts(db.single);
    const tasks = (): Promise<PeriodicStatus[]> => periodic.list(db.single);
    this.show(
      { name: 'jobs', help: 'Jobs that wait or run (due) and dead letters (dead).', labels: ['job', 'state'] },
      jobs,
      ({ job, state, count }) => [{ job, state }, count],
    );
    this.show(
      {
        name: 'jobs_overdue_seconds',
        help: 'How long the oldest due job has been waiting or running.',
        labels: ['job'],
      },
      jobs,
      ({ job, state, overdueS }) => (state === 'due' ? [{ job }, overdueS] : null),
    );
    this.show(
      {
        name: 'periodic_stale',
        help: '1 when a periodic task has not succeeded for three intervals, else 0; also 0 while it is paused.',
        labels: ['task'],
      },
      () => this.health.states(),
      ({ name: task, stale }) => [{ task }, Number(stale)],
    );
    this.show(
      { name: 'periodic_failures', help: 'Consecutive failures of a periodic task.', labels: ['task'] },
      tasks,
      ({ name: task, failures }) => [{ task }, failures],
    );
    this.show(
      {
        name: 'periodic_last_success_timestamp_seconds',
        help: 'When a periodic task last succeeded, in Unix time.',
        labels: ['task'],
      },
      tasks,
      ({ name: task, lastSuccessAt }) => lastSuccessAt && [{ task }, lastSuccessAt.getTime() / 1000],
    );
  }

  /** A gauge with one value for each row for which `valueOf` is not null; empty while the database does not answer. */
  private show<R, L extends string>(
    words: MetricWords<L>,
    read: () => Promise<R[]>,
    valueOf: (row: R) => [Record<L, string>, number] | null,
  ): void {
    this.metrics.gauge(words, async (gauge) => {
      const rows = await read().catch(() => []);
      gauge.reset();
      for (const [labels, value] of rows.map(valueOf).filter((found) => found !== null)) gauge.set(labels, value);
    });
  }
}
