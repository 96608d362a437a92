import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { Readiness } from '../platform/health/readiness.js';
import { Metrics } from '../platform/metrics.js';
import { SourceRepository } from './source.repository.js';
import { syncLostMs } from './source-syncs.js';

/** Shows in `/health/ready` and `/metrics` how many active sources cannot be scanned, or are not scanned in time. */
@Injectable()
export class SourceHealth implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly readiness: Readiness,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly sources: SourceRepository,
  ) {}

  onModuleInit(): void {
    this.metrics.gauge(
      { name: 'sources_overdue', help: 'Active sources whose last scan failed, or that are not scanned in time.' },
      async (gauge) => gauge.set(await this.overdue().catch(() => NaN)),
    );
    this.readiness.warn('sources', async () => {
      const count = await this.overdue();
      if (count === 0) return null;
      const words = count === 1 ? '1 active source fails or is' : `${count} active sources fail or are`;
      return `${words} not scanned in time: see GET /sources for why.`;
    });
  }

  private overdue(): Promise<number> {
    return this.sources.countOverdue(this.db.single, this.clock.now(), syncLostMs / 1000);
  }
}
