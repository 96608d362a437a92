import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { defineJob, type JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { Gathered } from '../../platform/gathered.js';
import { systemActor } from '../../platform/http/actor.js';
import { verdictOn } from '../../rotation/holds.js';
import { PauseRepository } from '../../rotation/pause.repository.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { DueRepository } from '../due.repository.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import { Planning, type PlanWithPolicy } from '../planning.js';
import { RenewalFailures } from './renewal-failures.js';
import { StalePredecessor } from '../successors.js';
import { Renewing } from './renewing.js';
import { WaitingRepository } from './waiting.repository.js';

/** Renews one certificate, if it is due. A revocation enqueues it too. */
export const rotateCertificate = defineJob('certificate.rotate', z.strictObject({ certificateId: z.int() }), {
  attempts: 3,
  // Of RSA keys two are made at a time, and people may want one of them: the last of so many runs waits for minutes.
  timeoutS: 1200,
  // Twice as many as share their queries and their transaction (see Gathered), so that the next batch fills meanwhile.
  concurrency: 128,
});

/** The most looks at many certificates at the same time, and as many that plan them again. */
const mostAtOnce = 2;

/** `reason`: see RotateJudge.look. */
interface Verdict {
  certificate: Certificate;
  reason: string | null;
}

/** Decides for the job whether a renewal is due, and stores why a renewal failed. */
@Injectable()
export class RotateJudge {
  private readonly looks = new Gathered<number, Verdict | null>((ids) => this.lookAt(ids), mostAtOnce);
  private readonly plannings = new Gathered<number, void>((ids) => this.planAll(ids), mostAtOnce);

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly due: DueRepository,
    private readonly planning: Planning,
    private readonly failures: RenewalFailures,
    private readonly pauses: PauseRepository,
    private readonly waiting: WaitingRepository,
  ) {}

  /**
   * The certificate with `reason`, why it is to be renewed now: null when it is not due, or a window or a pause holds
   * it. Null when there is no such certificate. Concurrent calls share their queries.
   */
  look(id: number): Promise<Verdict | null> {
    return this.looks.run(id);
  }

  private async lookAt(ids: readonly number[]): Promise<(Verdict | null)[]> {
    const [tx, now] = [this.db.single, this.clock.now()];
    const found = await this.certificates.findMany(tx, ids);
    const plans = await this.planning.plansWithPolicies(tx, found);
    const sources = await this.waiting.sourcesOfMany(tx, ids);
    const pauses = await this.pauses.inForce(tx, now);
    const verdicts = found.map((certificate, i): [number, Verdict] => {
      const { id, authorityId } = certificate;
      const { plan, policy, times } = plans[i] as PlanWithPolicy;
      if (plan.at === null || plan.at > now) return [id, { certificate, reason: null }];
      const renewal = { id, authorityId, ...times, reason: plan.reason, sourceIds: sources.get(id) ?? [] };
      // The sweep has counted it already where there is a limit.
      const { hold } = verdictOn(renewal, { policy, pauses, limits: [] }, now);
      return [id, { certificate, reason: hold === null ? plan.text : null }];
    });
    const byId = new Map(verdicts);
    return ids.map((id) => byId.get(id) ?? null);
  }

  /** Plans a renewal again that is not due, or is held: the sweep decides about it. Concurrent calls are one. */
  planAgain(id: number): Promise<void> {
    return this.plannings.run(id);
  }

  private planAll(ids: readonly number[]): Promise<void[]> {
    return this.db.write(async (tx) => {
      const rows = await this.certificates.lockMany(tx, ids);
      await this.planning.planRenewals(tx, rows);
      await this.due.saveOutlooks(tx, rows);
      return [];
    });
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
    const look = await this.judge.look(id);
    if (!look) return;
    const { certificate, reason } = look;
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
