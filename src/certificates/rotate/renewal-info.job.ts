import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Authorities } from '../../authorities/authorities.js';
import { defineJob, type JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { defineLane } from '../../jobs/lane.js';
import { splitCertificates } from '../../pki/pem.js';
import type { RenewalInfo } from '../../plugin-api/issuer.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import { Planning } from '../planning.js';
import { RenewalInfoRepository } from './renewal-info.repository.js';
import { suggestionOf } from './suggestion.js';

/** The job that asks the CA of a certificate when to renew it (RFC 9773). */
export const askRenewalInfo = defineJob('certificate.renewal-info', z.strictObject({ certificateId: z.int() }), {
  attempts: 1,
  timeoutS: 60,
});

/** The questions to one authority. They have a lane of their own: thousands of them delay no order. */
const renewalInfoLane = defineLane('renewal-info', { atOnce: 2 });

/** Enqueues the job for each of these certificates, for after the commit, in the lane of its authority. */
export async function enqueueRenewalInfo(
  tx: Tx,
  certificates: readonly { id: number; authorityId: number | null }[],
): Promise<void> {
  await askRenewalInfo.enqueueMany(
    tx,
    certificates.map(({ id, authorityId }) => ({
      data: { certificateId: id },
      lane: renewalInfoLane.of(authorityId ?? 0),
    })),
  );
}

/** The shortest and the longest time between two questions to the CA (RFC 9773 §4.3). */
const [soonestS, latestS] = [60, 86_400];
const retryS = 3_600;

/**
 * Handles `certificate.renewal-info`: asks the CA, stores a random moment in the renewal window that it suggests, and
 * plans the renewal again. The moment is random so that the clients of a CA do not renew at the same time.
 */
@Injectable()
export class RenewalInfoJob implements OnModuleInit {
  private readonly logger = new Logger('renewal-info');

  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly certificates: CertificateRepository,
    private readonly infos: RenewalInfoRepository,
    private readonly planning: Planning,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(askRenewalInfo, ({ certificateId }, context) => this.run(certificateId, context));
  }

  private async run(id: number, { signal }: JobContext): Promise<void> {
    const certificate = await this.certificates.find(this.db.single, id);
    if (!certificate) return;
    try {
      const info = await this.ask(certificate, signal);
      if (info === 'none') await this.infos.store(this.db.single, id, null, null);
      else await this.store(id, info);
    } catch (error) {
      if (isCutOff(signal, error)) throw error;
      if (!isExpected(error)) this.logger.error(error);
      const { retryAfterS = retryS } = failureOf(error);
      await this.infos.askAgain(this.db.single, id, this.inSeconds(Math.max(retryAfterS, soonestS)));
    }
  }

  /** `none`: the issuer gives no renewal information for this certificate. */
  private async ask(certificate: Certificate, signal: AbortSignal): Promise<RenewalInfo | null | 'none'> {
    const { state, deletedAt, authorityId, externalId, fullChainPem } = certificate;
    if (state !== 'issued' || deletedAt !== null || authorityId === null) return 'none';
    const authority = await this.authorities.get(authorityId);
    if (!authority.plugin.renewalInfo) return 'none';
    return this.authorities.renewalInfo(
      authority,
      { chainPem: splitCertificates(fullChainPem), externalId: externalId ?? undefined },
      signal,
    );
  }

  /** `info`: null when the CA suggests no window. Sets when the CA is asked again. */
  private async store(id: number, info: RenewalInfo | null): Promise<void> {
    await this.db.write((tx) =>
      this.certificates.change(tx, id, async (certificate) => {
        const known = await this.infos.find(tx, id);
        const suggested = info && suggestionOf(info, known, certificate);
        const leastS = Math.min(Math.max(info?.retryAfterS ?? latestS, soonestS), latestS);
        // What was imported together does not stay together.
        const afterS = leastS * (1 + Math.random() / 10);
        await this.infos.store(tx, id, suggested, this.inSeconds(afterS));
        await this.planning.planRenewal(tx, certificate);
      }),
    );
  }

  private inSeconds(seconds: number): Date {
    return new Date(this.clock.now().getTime() + seconds * 1000);
  }
}
