import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../../jobs/periodic.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { CrlRepository } from '../../revocation/crl.repository.js';
import { Notices } from './notices.js';

/** Periodically writes notices about authorities whose CRLs are overdue. */
@Injectable()
export class CrlOverdueSweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly lists: CrlRepository,
    private readonly notices: Notices,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('crl-notices', this.config.sweepIntervalS, async (_, report) => {
      const told = await this.db.write(async (tx) => {
        const overdue = await this.lists.overdue(tx, this.clock.now());
        for (const lists of overdue) await this.notices.crlOverdue(tx, lists);
        return overdue.length;
      });
      report.count('authorities', told);
    });
  }
}
