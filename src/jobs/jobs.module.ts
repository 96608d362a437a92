import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { Config } from '../platform/config.js';
import { ClockSteps } from './clock-steps.js';
import { EmbeddedQueue } from './embedded-queue.js';
import { JobMetrics } from './job-metrics.js';
import { Jobs } from './job-runner.js';
import { JobTimes } from './job-times.js';
import { Leases } from './lease.js';
import { OutboxRepository } from './outbox.repository.js';
import { Periodic } from './periodic.js';
import { PeriodicRepository } from './periodic.repository.js';
import { Pruning } from './prune.js';
import { Queue } from './queue.js';
import { Relay } from './relay.js';
import { RunRepository } from './run.repository.js';
import { Runs } from './runs.js';
import { TaskHealth } from './task-health.js';

/** The queue on Redis when `REDIS_URL` is set, otherwise the queue inside this process. */
export async function createQueue(config: Config, times: JobTimes): Promise<Queue> {
  if (config.redisUrl === undefined) return new EmbeddedQueue();
  const { BullQueue } = await import('./bull-queue.js');
  return new BullQueue(config.redisUrl, times);
}

/** Durable jobs and periodic tasks. Needs Config and Database from the platform. */
@Module({
  imports: [ScheduleModule.forRoot()],
  providers: [
    JobTimes,
    { provide: Queue, inject: [Config, JobTimes], useFactory: createQueue },
    OutboxRepository,
    RunRepository,
    Relay,
    Runs,
    Jobs,
    Leases,
    ClockSteps,
    PeriodicRepository,
    Periodic,
    TaskHealth,
    Pruning,
    JobMetrics,
  ],
  exports: [Jobs, Periodic, Leases, OutboxRepository, PeriodicRepository, Queue, TaskHealth],
})
export class JobsModule {}
