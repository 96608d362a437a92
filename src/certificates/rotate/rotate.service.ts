import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Jobs } from '../../jobs/job-runner.js';
import { Database, violatedConstraint } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instantOrNull } from '../../platform/http/instant.js';
import { Problem } from '../../platform/http/problem.js';
import { replanPolicy } from '../../rotation/rotation.jobs.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Planning } from '../planning.js';
import type { PlanView } from './rotate.controller.js';
import { Renewing } from './renewing.js';

/** Renewal on demand, and the answer to when it comes by itself. */
@Injectable()
export class RotateService {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly planning: Planning,
    private readonly access: CertificateAccess,
    private readonly renewing: Renewing,
  ) {}

  async plan(id: number): Promise<PlanView> {
    const plan = await this.planning.renewalPlan(this.db.single, await this.certificates.get(this.db.single, id));
    return { willRenew: plan.at !== null, at: instantOrNull(plan.at), reason: plan.obstacle ?? plan.reason, text: plan.text };
  }

  /** The successor's id. Throws Problem `conflict` when there is one already. */
  async reissue(actor: Actor, id: number): Promise<number> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.access.demandChange(this.db.single, actor, certificate);
    await this.access.demandIssue(actor, certificate);
    if (certificate.state !== 'issued') throw new Problem('wrong-state', `Certificate ${certificate.name} is ${certificate.state}; it is not renewed.`);
    try {
      return await this.renewing.renew(actor, certificate);
    } catch (error) {
      if (violatedConstraint(error) === 'certificate_one_renewal') throw new Problem('conflict', `Certificate ${certificate.name} is being renewed already.`);
      throw error;
    }
  }
}

const batch = 500;

/** After a policy has changed: plans its certificates anew, in batches by id. */
@Injectable()
export class ReplanJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly planning: Planning,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(replanPolicy, ({ policyId }) => this.run(policyId));
  }

  private async run(policyId: number): Promise<void> {
    for (let after = 0, ids = [0]; ids.length > 0; after = ids.at(-1) ?? 0) {
      ids = await this.certificates.idsOfPolicy(this.db.single, policyId, after, batch);
      for (const id of ids) await this.replan(id);
    }
  }

  private async replan(id: number): Promise<void> {
    await this.db.write((tx) => this.certificates.change(tx, id, (row) => this.planning.planRenewal(tx, row)));
  }
}
