import { Injectable, Logger } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { Leases } from './lease.js';
import { OutboxRepository } from './outbox.repository.js';
import { PeriodicRepository } from './periodic.repository.js';

/** Smaller steps only delay what is due by as much. */
const smallestStepS = 5;

/**
 * Notices when the clock of the database was set back: a task has then started in the future. Until that time comes
 * again, nothing would be due, and the leases of dead processes would not end. So every time of jobs and tasks that
 * lies ahead is set back as far as the clock.
 */
@Injectable()
export class ClockSteps {
  private readonly log = new Logger('ClockSteps');

  constructor(
    private readonly db: Database,
    private readonly tasks: PeriodicRepository,
    private readonly outbox: OutboxRepository,
    private readonly leases: Leases,
  ) {}

  /** Does nothing while the clock of the database only goes forward. */
  async follow(): Promise<void> {
    if ((await this.tasks.aheadS(this.db.single)) < smallestStepS) return;
    const stepS = await this.db.write(async (tx) => {
      // One process does it: for the next one, no task has started in the future any more.
      const aheadS = await this.tasks.lockAheadS(tx);
      if (aheadS < smallestStepS) return 0;
      await this.tasks.setBack(tx, aheadS);
      await this.leases.setBack(tx, aheadS);
      await this.outbox.setBack(tx, aheadS);
      return aheadS;
    });
    if (stepS > 0)
      this.log.warn(`The clock of the database was set back by ${Math.round(stepS)} s. Jobs and tasks follow it.`);
  }
}
