import { Injectable, type OnModuleInit } from '@nestjs/common';
import { inBatches } from '../../jobs/in-batches.js';
import { Periodic } from '../../jobs/periodic.js';
import type { TaskReport } from '../../jobs/task-report.js';
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
    this.periodic.everyTick('certificate-retirement', this.config.sweepIntervalS, (signal, report) =>
      this.run(signal, report),
    );
  }

  /** Runs batches until one is not full. */
  async run(signal: AbortSignal, report: TaskReport): Promise<void> {
    for (const retired of [true, false]) {
      const before = new Date(this.clock.now().getTime() - this.config.hideExpiredAfterDays * 86_400_000);
      await inBatches({ db: this.db, signal, report }, { kind: 'certificates', most: batch }, (tx, most) =>
        this.due.retire(tx, retired, before, most),
      );
    }
  }
}
