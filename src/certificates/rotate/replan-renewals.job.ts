import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Jobs } from '../../jobs/job-runner.js';
import { Database } from '../../platform/db/database.js';
import { replanPolicy } from '../../rotation/policies.js';
import { DueRepository } from '../due.repository.js';
import { Planning } from '../planning.js';

/** The number of certificates in one transaction. */
const batch = 1000;

/** Plans the renewals of all certificates of a changed policy again. Each run plans one batch and enqueues the next. */
@Injectable()
export class ReplanRenewals implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly due: DueRepository,
    private readonly planning: Planning,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(replanPolicy, ({ policyId, after }) => this.run(policyId, after));
  }

  private async run(policyId: number, after: number): Promise<void> {
    await this.db.write(async (tx) => {
      const rows = await this.due.lockOfPolicy(tx, policyId, after, batch);
      if (rows.length === 0) return;
      await this.planning.planRenewals(tx, rows);
      await this.due.saveOutlooks(tx, rows);
      if (rows.length === batch) await replanPolicy.enqueue(tx, { policyId, after: rows.at(-1)?.id ?? 0 });
    });
  }
}
