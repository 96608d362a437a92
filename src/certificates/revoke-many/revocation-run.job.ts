import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Audit, type AuditedAct } from '../../audit/audit.js';
import { LaterActors } from '../../auth/later-actors.js';
import { defineJob, type JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Periodic } from '../../jobs/periodic.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { Readiness } from '../../platform/health/readiness.js';
import { type Actor, systemActor } from '../../platform/http/actor.js';
import type { Problem } from '../../platform/http/problem.js';
import { problemOf } from '../../platform/http/problem-of.js';
import { Notices } from '../notify/notices.js';
import { RevokeService } from '../revoke/revoke.service.js';
import { type RevocationRun, RevocationRunRepository, type RunHolder } from './revocation-run.repository.js';
import type { ItemState } from './revocation-run.schema.js';
import { paceOf } from './run-time.js';

/** Revokes the next certificates of a run, and enqueues itself for those after them. */
export const goOnWithRun = defineJob('revocation-run.step', z.strictObject({ runId: z.int() }), {
  attempts: 5,
  timeoutS: 300,
});

/** Of one certificate, while what it needs is out of service. */
const mostAttempts = 5;
const againMs = 30_000;

/** Temporary: the certificate waits for another attempt. */
const temporary: readonly string[] = ['unavailable', 'plugin-unavailable', 'too-many-requests'];

interface Waiting {
  certificateId: number;
  attempts: number;
}

interface Outcome {
  state: ItemState;
  problem?: Problem;
}

/** What a step does: these certificates, with the rights of this actor. */
interface Step {
  run: RevocationRun;
  actor: Actor;
  certificates: readonly Waiting[];
}

/** Begins and ends the steps of runs. */
@Injectable()
export class RevocationRunSteps {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly runs: RevocationRunRepository,
    private readonly actors: LaterActors,
    private readonly audit: Audit,
    private readonly notices: Notices,
    readiness: Readiness,
  ) {
    readiness.warn('revocation-runs', async () => {
      const stopped = await this.runs.countStopped(this.db.single);
      if (stopped === 0) return null;
      return `Revocation runs that stopped before their end: ${stopped}. See GET /revocations?state=paused for why.`;
    });
  }

  /**
   * Moves the moment of the next step before anything is revoked, so that the pace holds after a crash too. Null when
   * the run is not running, is not due yet, or had to be paused because its actor may not revoke any more.
   */
  begin(runId: number, jobId: string): Promise<Step | null> {
    return this.db.write(async (tx) => {
      const run = await this.runs.lock(tx, runId);
      const now = this.clock.now();
      if (run.state !== 'running') return null;
      if (run.nextAt > now) {
        await this.enqueue(tx, run, now);
        return null;
      }
      const actor = await this.actors.find(tx, { userId: run.actorId, apiKeyId: run.apiKeyId }, jobId);
      if (!actor?.permissions.has('certificate:revoke')) {
        run.state = 'paused';
        run.faultDetail =
          'Its user is not active any more or may not revoke any more, or the API key is not valid any more or its ' +
          'scopes do not name certificate:revoke any more. Another user may resume it.';
        await this.runs.save(tx, run);
        await this.audit.record(tx, systemActor(jobId), {
          ...event('paused', run),
          after: { detail: run.faultDetail },
        });
        await this.notices.runPaused(tx, {
          id: runId,
          version: run.version,
          to: await this.runs.peopleOf(tx, runId),
        });
        return null;
      }
      const { count, waitMs } = paceOf(run.perMinute);
      run.nextAt = new Date(now.getTime() + waitMs);
      await this.runs.save(tx, run);
      return { run, actor, certificates: await this.runs.next(tx, runId, count) };
    });
  }

  /** Ends the run when nothing waits, else enqueues its next step, not before `waitMs` from now. */
  async end(runId: number, jobId: string, waitMs: number): Promise<void> {
    await this.db.write(async (tx) => {
      const run = await this.runs.lock(tx, runId);
      if (run.state !== 'running') return;
      const now = this.clock.now();
      if ((await this.runs.next(tx, runId, 1)).length > 0) {
        run.nextAt = new Date(Math.max(run.nextAt.getTime(), now.getTime() + waitMs));
        await this.runs.save(tx, run);
        return this.enqueue(tx, run, now);
      }
      run.state = 'finished';
      run.endedAt = now;
      await this.runs.save(tx, run);
      const { done, alreadyRevoked, failed } = await this.runs.get(tx, runId);
      const after = { done, alreadyRevoked, failed };
      await this.audit.record(tx, systemActor(jobId), { ...event('finished', run), after });
    });
  }

  private async enqueue(tx: Tx, run: RevocationRun, now: Date): Promise<void> {
    const afterS = Math.max(0, run.nextAt.getTime() - now.getTime()) / 1000;
    await goOnWithRun.enqueue(tx, { runId: run.id }, { afterS });
  }
}

/** An audit event about a run. */
export function event(
  done: string,
  { id }: Pick<RevocationRun, 'id'>,
): Pick<AuditedAct, 'action' | 'targetType' | 'targetId'> {
  return { action: `revocation-run.${done}`, targetType: 'revocation-run', targetId: id };
}

/** Handles `revocation-run.step`. Each certificate is revoked for itself; no failure stops the others. */
@Injectable()
export class RevocationRunJob implements OnModuleInit {
  private readonly logger = new Logger('revocation-run');

  constructor(
    private readonly jobs: Jobs,
    private readonly periodic: Periodic,
    private readonly config: Config,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly runs: RevocationRunRepository,
    private readonly steps: RevocationRunSteps,
    private readonly revocation: RevokeService,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(goOnWithRun, ({ runId }, context) => this.goOn(runId, context));
    this.periodic.everyTick('revocation-runs', this.config.sweepIntervalS, async (_, report) =>
      report.count('runs', await this.sweep()),
    );
  }

  /** The net below the jobs, which enqueue one another. Returns how many runs it has enqueued. */
  private async sweep(): Promise<number> {
    return this.db.write(async (tx) => {
      const due = await this.runs.due(tx, this.clock.now());
      await goOnWithRun.enqueueMany(
        tx,
        due.map((runId) => ({ data: { runId } })),
      );
      return due.length;
    });
  }

  private async goOn(runId: number, { jobId, signal }: JobContext): Promise<void> {
    const step = await this.steps.begin(runId, jobId);
    if (step === null) return;
    let waitMs = 0;
    for (const one of step.certificates) {
      signal.throwIfAborted();
      const outcome = await this.outcomeOf(step, one);
      if (outcome.state === 'waiting') waitMs = Math.max((outcome.problem?.extra.retryAfterS ?? 0) * 1000, againMs);
      const now = await this.note(this.db.single, runId, one.certificateId, outcome);
      if (waitMs > 0 || !goesOn(step.run, now)) break;
    }
    await this.steps.end(runId, jobId, waitMs);
  }

  private async outcomeOf({ run, actor }: Step, { certificateId, attempts }: Waiting): Promise<Outcome> {
    const { crlReason, comments, invalidityDate, replace } = run;
    try {
      if (await this.hasEnded(certificateId)) return { state: 'already-revoked' };
      const request = { crlReason, comments, invalidityDate, ...(replace !== null && { replace }) };
      // Noted by the transaction that revokes: after a crash it would count as revoked by others.
      const noted = this.db.joining((tx) =>
        this.note(tx, run.id, certificateId, { state: 'done' }).then(() => undefined),
      );
      await noted.during(() => this.revocation.revokeCounted(actor, certificateId, request));
      return { state: 'done' };
    } catch (error) {
      const problem = problemOf(error);
      // Somebody else, or a step that overlaps, was quicker.
      if (problem.code === 'wrong-state' && (await this.hasEnded(certificateId))) return { state: 'already-revoked' };
      if (problem.code === 'internal') this.logger.error(error);
      const isOver = problem.code !== 'too-many-requests' && attempts + 1 >= mostAttempts;
      return { state: temporary.includes(problem.code) && !isOver ? 'waiting' : 'failed', problem };
    }
  }

  private note(
    tx: Tx,
    runId: number,
    certificateId: number,
    { state, problem }: Outcome,
  ): Promise<RunHolder | undefined> {
    const { code: problemCode = null, detail: problemDetail = null } = problem ?? {};
    return this.runs.note(tx, runId, { certificateId, state, problemCode, problemDetail, at: this.clock.now() });
  }

  private async hasEnded(certificateId: number): Promise<boolean> {
    return (await this.runs.endedOf(this.db.single, [certificateId])).size > 0;
  }
}

/** False when the run is not running any more, or goes on with the rights of another actor than this step. */
function goesOn(step: RunHolder, now: RunHolder | undefined): boolean {
  return now?.state === 'running' && now.actorId === step.actorId && now.apiKeyId === step.apiKeyId;
}
