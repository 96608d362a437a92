import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../../jobs/periodic.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { DueRepository } from '../due.repository.js';

const batch = 1000;

/**
 * Periodically marks certificates that expired long ago as retired, so that lists hide them. Removes the mark when
 * HIDE_EXPIRED_AFTER_DAYS is raised.
 */
@Injectable()
export class RetirementSweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly due: DueRepository,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('certificate-retirement', this.config.sweepIntervalS, (signal) => this.run(signal));
  }

  /** Runs batches until one is not full. */
  async run(signal: AbortSignal): Promise<void> {
    for (const retired of [true, false]) {
      const before = new Date(this.clock.now().getTime() - this.config.hideExpiredAfterDays * 86_400_000);
      while (!signal.aborted && (await this.db.write((tx) => this.due.retire(tx, retired, before, batch))) === batch);
    }
  }
}
