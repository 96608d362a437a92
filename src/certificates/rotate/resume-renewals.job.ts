import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Audit, type AuditedAct } from '../../audit/audit.js';
import { defineJob } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Periodic } from '../../jobs/periodic.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { defaultEmergencyFraction } from '../../rotation/due.js';
import { PauseRepository } from '../../rotation/pause.repository.js';
import { WaitingRepository } from './waiting.repository.js';

/** Lets renewals go on that an ended pause held. Each run releases one batch and enqueues the next. */
export const resumeRenewals = defineJob('rotation.resume', z.strictObject({ pauseId: z.int() }), { timeoutS: 120 });

/** Decides again about the renewals that a pause holds, from the certificate after `after` on. It holds less now. */
export const lookAgain = defineJob('rotation.look-again', z.strictObject({ pauseId: z.int(), after: z.int() }), {
  timeoutS: 120,
});

const batch = 1000;
/** What a pause held is spread over as much time as it lasted, but not over more than this. */
const longestSpreadMs = 86_400_000;

/** Handles `rotation.resume` and `rotation.look-again`, and ends the pauses whose time is over. */
@Injectable()
export class ResumeRenewals implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly periodic: Periodic,
    private readonly config: Config,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly pauses: PauseRepository,
    private readonly waiting: WaitingRepository,
    private readonly audit: Audit,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(resumeRenewals, ({ pauseId }) => this.release(pauseId));
    this.jobs.handle(lookAgain, ({ pauseId, after }) => this.decideAgain(pauseId, after));
    this.periodic.everyTick('rotation-pauses', this.config.sweepIntervalS, async (_, report) =>
      report.count('pauses', await this.endDue()),
    );
  }

  /** Returns how many pauses it has ended. */
  private async endDue(): Promise<number> {
    return this.db.write(async (tx) => {
      const ended = await this.pauses.endDue(tx, this.clock.now());
      for (const pauseId of ended) {
        await this.audit.record(tx, systemActor('rotate'), event('ended', pauseId));
        await resumeRenewals.enqueue(tx, { pauseId });
      }
      return ended.length;
    });
  }

  private async decideAgain(pauseId: number, after: number): Promise<void> {
    await this.db.write(async (tx) => {
      const now = this.clock.now();
      const last = await this.waiting.lookAgain(tx, pauseId, { now, after, limit: batch });
      if (last !== null) await lookAgain.enqueue(tx, { pauseId, after: last });
    });
  }

  private async release(pauseId: number): Promise<void> {
    await this.db.write(async (tx) => {
      const { since, endedAt } = await this.pauses.lock(tx, pauseId);
      if (endedAt === null) return;
      const released = await this.waiting.release(tx, pauseId, {
        now: this.clock.now(),
        spreadMs: Math.min(endedAt.getTime() - since.getTime(), longestSpreadMs),
        defaultFraction: defaultEmergencyFraction,
        limit: batch,
      });
      if (released === batch) await resumeRenewals.enqueue(tx, { pauseId });
    });
  }
}

/** An audit event about a pause. */
export function event(done: string, id: number): Pick<AuditedAct, 'action' | 'targetType' | 'targetId'> {
  return { action: `rotation-pause.${done}`, targetType: 'rotation-pause', targetId: id };
}
