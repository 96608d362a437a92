import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Jobs } from '../../jobs/job-runner.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { PolicyRepository } from '../../rotation/policy.repository.js';
import { replanPolicy } from '../../rotation/policies.js';
import { CertificateRepository } from '../certificate.repository.js';
import { DueRepository } from '../due.repository.js';
import { planOf } from '../planning.js';
import { WaitingRepository } from './waiting.repository.js';

/** The number of certificates in one transaction. */
const batch = 1000;

/** Plans the renewals of all certificates of a changed policy again. Each run plans one batch and enqueues the next. */
@Injectable()
export class ReplanRenewals implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly policies: PolicyRepository,
    private readonly certificates: CertificateRepository,
    private readonly due: DueRepository,
    private readonly waiting: WaitingRepository,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(replanPolicy, ({ policyId, after }) => this.run(policyId, after));
  }

  private async run(policyId: number, after: number): Promise<void> {
    await this.db.write(async (tx) => {
      const rows = await this.due.lockOfPolicy(tx, policyId, after, batch);
      if (rows.length === 0) return;
      const policy = await this.policies.get(tx, policyId);
      const successions = await this.certificates.successionsOf(
        tx,
        rows.map((row) => row.id),
      );
      for (const [i, row] of rows.entries()) row.planNext(planOf(row, policy, successions[i]));
      await this.due.saveOutlooks(tx, rows);
      await this.waiting.removePlanned(tx, rows, this.clock.now());
      if (rows.length === batch) await replanPolicy.enqueue(tx, { policyId, after: rows.at(-1)?.id ?? 0 });
    });
  }
}
