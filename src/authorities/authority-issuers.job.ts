import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';
import { defineLane } from '../jobs/lane.js';
import { Jobs } from '../jobs/job-runner.js';
import { Periodic } from '../jobs/periodic.js';
import { Database, type Tx } from '../platform/db/database.js';
import { systemActor } from '../platform/http/actor.js';
import { PluginRegistry } from '../platform/plugins/registry.js';
import { AuthorityRepository } from './authority.repository.js';
import { AuthorityIssuers } from './authority-issuers.js';

const intervalS = 3600;

/** What one authority is asked: a CA that hangs holds up no other. */
export const authorityLane = defineLane('authority', { atOnce: 8 });

/** Asks a CA that exists elsewhere for the certificates that it issues with. */
const describeAuthority = defineJob('authority.describe', z.strictObject({ authorityId: z.int() }), {
  attempts: 3,
  timeoutS: 60,
  backoffS: 60,
});

/** Learns in time of a certificate that a CA is about to issue with. */
@Injectable()
export class AuthorityIssuersJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly plugins: PluginRegistry,
    private readonly repository: AuthorityRepository,
    private readonly issuers: AuthorityIssuers,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(describeAuthority, async ({ authorityId }, { jobId, signal }) => {
      const { active } = await this.repository.get(this.db.single, authorityId);
      if (active) await this.issuers.refresh(systemActor(jobId), authorityId, signal);
    });
    this.periodic.everyTick('authority-issuers', intervalS, async (_, report) =>
      report.count('authorities', await this.db.write((tx) => this.sweep(tx))),
    );
  }

  /** Has every active authority asked whose issuer can answer. Returns how many these are. */
  async sweep(tx: Tx): Promise<number> {
    const authorities = await this.repository.all(tx);
    const answers = (pluginId: string): boolean => this.plugins.find('issuer', pluginId)?.describe !== undefined;
    const asked = authorities.filter(({ active, keyId, pluginId }) => active && keyId === null && answers(pluginId));
    await describeAuthority.enqueueMany(
      tx,
      asked.map(({ id }) => ({ data: { authorityId: id }, lane: authorityLane.of(id) })),
    );
    return asked.length;
  }
}
