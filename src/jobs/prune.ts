import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { IdempotentRequests } from '../platform/http/idempotent-requests.js';
import { OutboxRepository } from './outbox.repository.js';
import { Periodic } from './periodic.js';

const hourS = 3_600;
const ages = { doneS: 24 * hourS, deadS: 30 * 24 * hourS, runsS: 7 * 24 * hourS };
const batch = 1_000;

/**
 * Deletes, every hour, jobs done more than a day ago, dead letters older than 30 days, runs older than a week, and the
 * answers to requests with an Idempotency-Key of more than a day ago.
 */
@Injectable()
export class Pruning implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly outbox: OutboxRepository,
    private readonly periodic: Periodic,
    private readonly requests: IdempotentRequests,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('jobs.prune', hourS, (signal) => this.prune(signal));
  }

  /** Deletes in batches, each in its own transaction, so that no lock is held for long. */
  async prune(signal: AbortSignal): Promise<void> {
    let pruned = batch;
    while (pruned >= batch && !signal.aborted) {
      pruned = await this.outbox.prune(this.db.single, ages, batch);
    }
    const yesterday = new Date(this.clock.now().getTime() - 24 * hourS * 1000);
    pruned = batch;
    while (pruned >= batch && !signal.aborted) pruned = await this.requests.prune(yesterday, batch);
  }
}
