import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { defineLane } from '../../jobs/lane.js';
import { inBatches } from '../../jobs/in-batches.js';
import { Periodic } from '../../jobs/periodic.js';
import { parseCertificate } from '../../pki/certificate.js';
import { PkiError } from '../../pki/pki-error.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { revocationHostOf } from '../../revocation/verify/revocation-check.js';
import { RevocationCheckRepository } from './revocation-check.repository.js';
import { RevocationChecking } from './revocation-checking.js';

/** Responders and CRL servers, by host: one that hangs holds up no other, and none is asked too often. */
const hostLane = defineLane('revocation-host', { atOnce: 2, perMinute: 60 });

/** The job that asks the CA of a deployed certificate whether it is revoked. */
const checkRevocation = defineJob('certificate.check-revocation', z.strictObject({ certificateId: z.int() }), {
  attempts: 1,
  timeoutS: 120,
});

const batch = 200;
const hourMs = 3_600_000;

/** Checks what is deployed, each certificate once in a while, and handles `certificate.check-revocation`. */
@Injectable()
export class CheckRevocationJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly periodic: Periodic,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly db: Database,
    private readonly checks: RevocationCheckRepository,
    private readonly checking: RevocationChecking,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(checkRevocation, ({ certificateId }, { jobId }) =>
      this.checking.run(systemActor(jobId), certificateId),
    );
    if (this.config.revocationCheckHours === 0) return;
    this.periodic.everyTick('revocation-enrolment', 3600, async (_, report) =>
      report.count('certificates', await this.enrol()),
    );
    this.periodic.everyTick('revocation-checks', this.config.sweepIntervalS, (signal, report) =>
      inBatches({ db: this.db, signal, report }, { kind: 'checks', most: batch }, (tx, most) => this.take(tx, most)),
    );
    this.periodic.onSetBack((tx, step) => this.checks.setBack(tx, step));
  }

  /** Plans the first checks of what has been deployed since the last time. Returns their number. */
  private async enrol(): Promise<number> {
    const now = this.clock.now();
    return this.db.write((tx) => this.checks.enrol(tx, now, new Date(now.getTime() + hourMs)));
  }

  private async take(tx: Tx, limit: number): Promise<number> {
    const now = this.clock.now();
    const due = await this.checks.takeDue(tx, now, { again: new Date(now.getTime() + hourMs), limit });
    await checkRevocation.enqueueMany(
      tx,
      due.map(({ id, bodyDer }) => ({ data: { certificateId: id }, lane: laneOf(bodyDer) })),
    );
    return due.length;
  }
}

/** Undefined when no host is asked: then nothing has to wait for another check. */
function laneOf(der: Buffer | null): string | undefined {
  try {
    const host = der === null ? null : revocationHostOf(parseCertificate(der));
    return host === null ? undefined : hostLane.of(host);
  } catch (error) {
    if (error instanceof PkiError) return undefined;
    throw error;
  }
}
