import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../jobs/periodic.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import { SourceRepository } from './source.repository.js';
import { SourceSyncRepository } from './source-sync.repository.js';
import { syncLostMs, syncSource } from './sources.jobs.js';

/** The rows of sources and of looks at them, together. */
@Injectable()
export class SourceRepositories {
  constructor(
    readonly sources: SourceRepository,
    readonly syncs: SourceSyncRepository,
  ) {}
}

/** Has sources looked at when they are due, or when somebody asks. */
@Injectable()
export class SourceSyncs implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly repositories: SourceRepositories,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('source-syncs', this.config.sweepIntervalS, () => this.startDue());
  }

  /** The id of the sync that is under way or is going to be. */
  async plan(tx: Tx, sourceId: number): Promise<number> {
    const syncId = await this.repositories.syncs.plan(tx, sourceId, this.clock.now());
    await syncSource.enqueue(tx, { syncId });
    return syncId;
  }

  private async startDue(): Promise<void> {
    await this.db.write(async (tx) => {
      const now = this.clock.now();
      const due = await this.repositories.sources.takeDue(tx, now, new Date(now.getTime() + syncLostMs));
      for (const sourceId of due) await this.plan(tx, sourceId);
    });
  }
}
