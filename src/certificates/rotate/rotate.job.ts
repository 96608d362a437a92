import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { defineJob, type JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { verdictOn } from '../../rotation/holds.js';
import { PauseRepository } from '../../rotation/pause.repository.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import { Planning } from '../planning.js';
import { RenewalFailures } from './renewal-failures.js';
import { StalePredecessor } from '../successors.js';
import { Renewing } from './renewing.js';
import { WaitingRepository } from './waiting.repository.js';

/** Renews one certificate, if it is due. A revocation enqueues it too. */
export const rotateCertificate = defineJob('certificate.rotate', z.strictObject({ certificateId: z.int() }), {
  attempts: 3,
  timeoutS: 120,
});

/** Decides for the job whether a renewal is due, and stores why a renewal failed. */
@Injectable()
export class RotateJudge {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly planning: Planning,
    private readonly failures: RenewalFailures,
    private readonly pauses: PauseRepository,
    private readonly waiting: WaitingRepository,
  ) {}

  /** Why the certificate is to be renewed now; null when it is not due, or a window or a pause holds it. */
  async due(certificate: Certificate): Promise<string | null> {
    const { id, authorityId, notBefore, notAfter } = certificate;
    const now = this.clock.now();
    const { plan, policy } = await this.planning.planWithPolicy(this.db.single, certificate);
    if (plan.at === null || plan.at > now) return null;
    const renewal = { id, authorityId, notBefore, notAfter, reason: plan.reason };
    const sourceIds = await this.waiting.sourcesOf(this.db.single, id);
    const pauses = await this.pauses.inForce(this.db.single, now);
    // The sweep has counted it already where there is a limit.
    const { hold } = verdictOn({ ...renewal, sourceIds }, { policy, pauses, limits: [] }, now);
    return hold === null ? plan.text : null;
  }

  /** Plans a renewal again that is not due, or is held: the sweep decides about it. */
  async planAgain(id: number): Promise<void> {
    await this.db.write((tx) => this.certificates.change(tx, id, (row) => this.planning.planRenewal(tx, row)));
  }

  async failed(id: number, error: unknown): Promise<void> {
    await this.db.write((tx) => this.failures.record(tx, id, failureOf(error)));
  }
}

/** Handles `certificate.rotate`: checks again that the renewal is due, requests the successor, stores a failure. */
@Injectable()
export class RotateJob implements OnModuleInit {
  private readonly logger = new Logger('rotate');

  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly renewing: Renewing,
    private readonly judge: RotateJudge,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(rotateCertificate, (data, context) => this.run(data.certificateId, context));
  }

  private async run(id: number, context: JobContext): Promise<void> {
    const { signal, jobId } = context;
    const certificate = await this.certificates.find(this.db.single, id);
    if (!certificate) return;
    const reason = await this.judge.due(certificate);
    if (reason === null) return this.judge.planAgain(id);
    this.logger.log(`renew ${certificate.name}: ${reason}`);
    try {
      await this.renewing.renew(systemActor(jobId), certificate);
    } catch (error) {
      if (isCutOff(signal, error)) throw error;
      if (error instanceof StalePredecessor) return this.run(id, context);
      if (await this.certificates.findSuccessor(this.db.single, id)) return;
      if (!isExpected(error)) this.logger.error(error);
      await this.judge.failed(id, error);
    }
  }
}
