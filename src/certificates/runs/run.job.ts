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
import { obstacleOf, type RunHold, type RunKind, RunKinds, titleOf } from './run-kind.js';
import { type CertificateRun, type RunHolder, RunRepository } from './run.repository.js';
import type { ItemState } from './run.schema.js';
import { paceOf } from './run-time.js';

/** Does the next certificates of a run, and enqueues itself for those after them. */
export const goOnWithRun = defineJob('certificate-run.step', z.strictObject({ runId: z.int() }), {
  attempts: 5,
  timeoutS: 300,
});

/** Of one certificate, while what it needs is out of service. */
const mostAttempts = 5;
const againMs = 30_000;
/** Of certificates that are held: a step looks at so many beside those that it attempts. */
const mostHeld = 100;
/** After a step that has attempted nothing, so that what is held is not looked at all the time. */
const heldMs = 5000;

/** Temporary: the certificate waits for another attempt. */
const temporary: readonly string[] = ['unavailable', 'plugin-unavailable', 'too-many-requests'];
/** Somebody else, or a step that overlaps, may have been quicker. */
const overtaken: readonly string[] = ['wrong-state', 'conflict'];

interface Waiting {
  certificateId: number;
  attempts: number;
}

/** `hold`: it was looked at, and not attempted. */
interface Outcome {
  state: ItemState;
  problem?: Problem;
  hold?: RunHold;
  successorId?: number | null;
}

/** What a step does: at most `count` of the certificates of this run, with the rights of this actor. */
interface Step {
  run: CertificateRun;
  kind: RunKind;
  actor: Actor;
  wishes: object;
  count: number;
}

/** Begins and ends the steps of runs. */
@Injectable()
export class RunSteps implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly runs: RunRepository,
    private readonly kinds: RunKinds,
    private readonly actors: LaterActors,
    private readonly audit: Audit,
    private readonly notices: Notices,
    private readonly readiness: Readiness,
  ) {}

  onModuleInit(): void {
    for (const { name, path } of this.kinds.all)
      this.readiness.warn(`${name}-runs`, async () => {
        const stopped = await this.runs.countStopped(this.db.single, name);
        if (stopped === 0) return null;
        return `${titleOf(name)} runs that stopped before their end: ${stopped}. See GET ${path}?state=paused for why.`;
      });
  }

  /**
   * Moves the moment of the next step before anything is done, so that the pace holds after a crash too. Null when the
   * run is not running, is not due yet, or had to be paused because its actor has not the right any more.
   */
  begin(runId: number, jobId: string): Promise<Step | null> {
    return this.db.write(async (tx) => {
      const run = await this.runs.lock(tx, runId);
      const kind = this.kinds.get(run.kind);
      const now = this.clock.now();
      if (run.state !== 'running') return null;
      if (run.nextAt > now) {
        await this.enqueue(tx, run, now);
        return null;
      }
      const actor = await this.actors.find(tx, { userId: run.actorId, apiKeyId: run.apiKeyId }, jobId);
      if (!actor?.permissions.has(kind.permission)) {
        await this.stop(tx, run, kind, jobId);
        return null;
      }
      const { count, waitMs } = paceOf(run.perHour);
      run.nextAt = new Date(now.getTime() + waitMs);
      await this.runs.save(tx, run);
      return { run, kind, actor, wishes: kind.wishesOf(run.wishes), count };
    });
  }

  /** Ends the run when nothing waits, else enqueues its next step, not before `waitMs` from now. */
  async end(runId: number, jobId: string, waitMs: number): Promise<void> {
    await this.db.write(async (tx) => {
      const run = await this.runs.lock(tx, runId);
      if (run.state !== 'running') return;
      const now = this.clock.now();
      const until = await this.runs.waitsUntil(tx, runId, now);
      if (until !== undefined) {
        const at = [run.nextAt.getTime(), now.getTime() + waitMs, until?.getTime() ?? 0];
        run.nextAt = new Date(Math.max(...at));
        await this.runs.save(tx, run);
        return this.enqueue(tx, run, now);
      }
      run.state = 'finished';
      run.endedAt = now;
      await this.runs.save(tx, run);
      const { done = 0, already = 0, failed = 0 } = (await this.runs.find(tx, run.kind, runId)) ?? {};
      const after = { done, already, failed };
      await this.audit.record(tx, systemActor(jobId), { ...event('finished', run), after });
    });
  }

  private async stop(tx: Tx, run: CertificateRun, { permission }: RunKind, jobId: string): Promise<void> {
    run.state = 'paused';
    run.faultDetail =
      `Its user is not active any more or has not the permission ${permission} any more, or the API key is not valid ` +
      'any more or its scopes do not name that permission any more. Another user may resume it.';
    await this.runs.save(tx, run);
    await this.audit.record(tx, systemActor(jobId), { ...event('paused', run), after: { detail: run.faultDetail } });
    const to = await this.runs.peopleOf(tx, run.id);
    await this.notices.runPaused(tx, { ...run, to });
  }

  private async enqueue(tx: Tx, run: CertificateRun, now: Date): Promise<void> {
    const afterS = Math.max(0, run.nextAt.getTime() - now.getTime()) / 1000;
    await goOnWithRun.enqueue(tx, { runId: run.id }, { afterS });
  }
}

/** An audit event about a run. */
export function event(
  done: string,
  { id, kind }: Pick<CertificateRun, 'id' | 'kind'>,
): Pick<AuditedAct, 'action' | 'targetType' | 'targetId'> {
  return { action: `${kind}-run.${done}`, targetType: `${kind}-run`, targetId: id };
}

/** Handles `certificate-run.step`. Each certificate is done for itself; no failure stops the others. */
@Injectable()
export class RunJob implements OnModuleInit {
  private readonly logger = new Logger('certificate-run');

  constructor(
    private readonly jobs: Jobs,
    private readonly periodic: Periodic,
    private readonly config: Config,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly runs: RunRepository,
    private readonly steps: RunSteps,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(goOnWithRun, ({ runId }, context) => this.goOn(runId, context));
    this.periodic.everyTick('certificate-runs', this.config.sweepIntervalS, async (_, report) =>
      report.count('runs', await this.sweep()),
    );
    this.periodic.onSetBack((tx, step) => this.runs.setBack(tx, step));
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
    await this.steps.end(runId, jobId, await this.work(step, signal));
  }

  /** Attempts as many certificates as the pace allows. Returns how long the run waits then, at least. */
  private async work(step: Step, signal: AbortSignal): Promise<number> {
    let attempted = 0;
    let held = 0;
    while (attempted < step.count && held < mostHeld) {
      const most = Math.min(step.count - attempted, mostHeld - held);
      const some = await this.runs.next(this.db.single, step.run.id, this.clock.now(), most);
      if (some.length === 0) break;
      for (const one of some) {
        signal.throwIfAborted();
        const outcome = await this.outcomeOf(step, one);
        const now = await this.note(this.db.single, step.run.id, one.certificateId, outcome);
        if (outcome.hold) held += 1;
        else attempted += 1;
        if (outcome.state === 'waiting' && !outcome.hold)
          return Math.max((outcome.problem?.extra.retryAfterS ?? 0) * 1000, againMs);
        if (!goesOn(step.run, now)) return 0;
      }
    }
    return attempted === 0 && held > 0 ? heldMs : 0;
  }

  private async outcomeOf({ run, kind, actor, wishes }: Step, { certificateId, attempts }: Waiting): Promise<Outcome> {
    const isSettled = async (): Promise<boolean> =>
      (await kind.settled(this.db.single, [certificateId], wishes)).has(certificateId);
    try {
      if (await isSettled()) return { state: kind.already };
      const done = async (tx: Tx, successorId: number | null): Promise<void> => {
        await this.note(tx, run.id, certificateId, { state: 'done', successorId });
      };
      const hold = await kind.run({ actor, runId: run.id, certificateId, wishes, done });
      return hold ? { state: 'waiting', hold } : { state: 'done' };
    } catch (error) {
      const problem = problemOf(error);
      if (overtaken.includes(problem.code) && (await isSettled())) return { state: kind.already };
      if (problem.code === 'internal') this.logger.error(error);
      const isOver = problem.code !== 'too-many-requests' && attempts + 1 >= mostAttempts;
      return { state: temporary.includes(problem.code) && !isOver ? 'waiting' : 'failed', problem };
    }
  }

  private note(
    tx: Tx,
    runId: number,
    certificateId: number,
    { state, problem, hold, successorId = null }: Outcome,
  ): Promise<RunHolder | undefined> {
    return this.runs.note(tx, runId, {
      certificateId,
      state,
      problemCode: hold?.code ?? (problem ? obstacleOf(problem) : null),
      problemDetail: hold?.detail ?? problem?.detail ?? null,
      heldUntil: hold?.until ?? null,
      successorId,
      at: this.clock.now(),
    });
  }
}

/** False when the run is not running any more, or goes on with the rights of another actor than this step. */
function goesOn(step: RunHolder, now: RunHolder | undefined): boolean {
  return now?.state === 'running' && now.actorId === step.actorId && now.apiKeyId === step.apiKeyId;
}
