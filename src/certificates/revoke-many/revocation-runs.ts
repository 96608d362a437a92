import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { MailLimit } from '../../auth/mail-limit.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instant, instantOrNull } from '../../platform/http/instant.js';
import type { Page } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { isAdmin } from '../../roles/permission.js';
import { CertificateSelection } from '../bulk/certificate-selection.js';
import { event, goOnWithRun } from './revocation-run.job.js';
import { type RevocationRun, RevocationRunRepository, type ShownRun, unknownRun } from './revocation-run.repository.js';
import type {
  CreatedRun,
  CreateRun,
  RunItemQuery,
  RunItemView,
  RunQuery,
  RunState,
  RunView,
  UpdateRun,
} from './revocation-run.schema.js';
import { RunChecks } from './run-checks.js';
import { paceOf, RunTime } from './run-time.js';

/** What becomes of a run by a change of its state; each is an audit event. */
const changes = {
  running: 'resumed',
  paused: 'paused',
  cancelled: 'cancelled',
} as const satisfies Partial<Record<RunState, string>>;

/**
 * Revocations of many certificates. Whoever made one or goes on with it, and administrators, see and change it. Methods
 * throw Problem `not-found` for others.
 */
@Injectable()
export class RevocationRuns {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly selection: CertificateSelection,
    private readonly checks: RunChecks,
    private readonly runs: RevocationRunRepository,
    private readonly audit: Audit,
    private readonly mailLimit: MailLimit,
    private readonly time: RunTime,
  ) {}

  /**
   * All mails of a run count as one request, because its pace bounds them. Throws Problem `conflict` when the filter
   * selects more than `maximum` and when the actor's API key ends before the run can, `invalid-request` for an unknown
   * filter, `too-many-requests`.
   */
  async create(actor: Actor, request: CreateRun): Promise<CreatedRun> {
    const { ids, filter, maximum = 0 } = request;
    const selected = ids ? [...new Set(ids)] : await this.selection.all(actor, filter ?? {}, maximum);
    const waiting = selected.length - (await this.runs.endedOf(this.db.single, selected)).size;
    await this.time.demand(this.db.single, actor, waiting, request.perMinute);
    if (request.dryRun) return { dryRun: true, check: await this.checks.check(actor, selected, request), run: null };
    this.mailLimit.demandOnce(actor, await this.runs.ownersOf(this.db.single, selected));
    const { crlReason, comments = null, invalidityDate = null, replace = null, perMinute } = request;
    const now = this.clock.now();
    const id = await this.db.write(async (tx) => {
      const runId = await this.runs.add(
        tx,
        {
          creatorId: actor.userId,
          actorId: actor.userId,
          apiKeyId: actor.apiKey?.id ?? null,
          crlReason,
          comments,
          invalidityDate,
          replace,
          filter: filter ?? null,
          perMinute,
          nextAt: now,
          createdAt: now,
        },
        selected,
      );
      const after = { crlReason, comments, invalidityDate, replace, filter, perMinute, selected: selected.length };
      await this.audit.record(tx, actor, { ...event('started', { id: runId }), after });
      await goOnWithRun.enqueue(tx, { runId });
      return runId;
    });
    return { dryRun: false, check: null, run: await this.get(actor, id) };
  }

  async list(actor: Actor, query: RunQuery): Promise<Page<RunView>> {
    const page = await this.runs.list(this.db.single, query, isAdmin(actor) ? null : actor.userId);
    return { ...page, items: page.items.map(runView) };
  }

  async get(actor: Actor, id: number): Promise<RunView> {
    return runView(await this.visible(this.db.single, actor, id));
  }

  async items(actor: Actor, id: number, query: RunItemQuery): Promise<Page<RunItemView>> {
    await this.visible(this.db.single, actor, id);
    const page = await this.runs.items(this.db.single, id, query);
    return {
      ...page,
      items: page.items.map(({ certificateId, state, attempts, problemCode: code, problemDetail, at }) => ({
        certificateId,
        state,
        attempts,
        problem: code === null ? null : { code, detail: problemDetail ?? '' },
        at: instantOrNull(at),
      })),
    };
  }

  /**
   * Throws Problem `wrong-state` when the run has ended, `conflict` when it is not the version that was read any more
   * or the actor's API key ends before it can, `forbidden` for the pace of a run with the rights of another.
   */
  async update(actor: Actor, id: number, { state, perMinute, version }: UpdateRun): Promise<RunView> {
    await this.db.write(async (tx) => {
      await this.visible(tx, actor, id);
      const run = await this.runs.lock(tx, id);
      const before = { state: run.state, perMinute: run.perMinute };
      const after = { state: state ?? run.state, perMinute: perMinute ?? run.perMinute };
      if (before.state === after.state && before.perMinute === after.perMinute) return;
      if (run.endedAt !== null) throw new Problem('wrong-state', `Revocation run ${id} is ${run.state} already.`);
      demandRead(run, after.state, version);
      run.perMinute = after.perMinute;
      if (before.state !== after.state) this.change(actor, run, after.state);
      if (before.perMinute !== after.perMinute) demandPace(actor, run);
      await this.demandTime(tx, actor, run);
      // A faster pace need not wait for the end of a slow step.
      run.nextAt = earlier(run.nextAt, new Date(this.clock.now().getTime() + paceOf(run.perMinute).waitMs));
      await this.runs.save(tx, run);
      if (run.state === 'running') await goOnWithRun.enqueue(tx, { runId: id });
      const done = before.state === after.state ? 'changed' : changes[run.state as keyof typeof changes];
      await this.audit.record(tx, actor, { ...event(done, run), before, after });
    });
    return this.get(actor, id);
  }

  private async demandTime(tx: Tx, actor: Actor, run: RevocationRun): Promise<void> {
    const isOfActor = run.actorId === actor.userId && run.apiKeyId === (actor.apiKey?.id ?? null);
    if (run.state !== 'running' || !isOfActor) return;
    const { waiting } = await this.runs.get(tx, run.id);
    await this.time.demand(tx, actor, waiting, run.perMinute);
  }

  /** Throws Problem `wrong-state` for `finished`, which only the program makes it. */
  private change(actor: Actor, run: RevocationRun, state: RunState): void {
    if (state === 'finished') throw new Problem('wrong-state', 'Only a run without waiting certificates is finished.');
    const now = this.clock.now();
    run.state = state;
    if (state === 'cancelled') run.endedAt = now;
    if (state !== 'running') return;
    run.actorId = actor.userId;
    run.apiKeyId = actor.apiKey?.id ?? null;
    run.faultDetail = null;
  }

  private async visible(tx: Tx, actor: Actor, id: number): Promise<ShownRun> {
    const run = await this.runs.get(tx, id);
    if (isAdmin(actor) || actor.userId === run.creatorId || actor.userId === run.actorId) return run;
    throw unknownRun(id);
  }
}

/** A client that sends back what it read must not resume what was paused meanwhile. */
function demandRead(run: RevocationRun, state: RunState, version: number | undefined): void {
  const isResumed = run.state === 'paused' && state === 'running';
  if (version === run.version || (version === undefined && !isResumed)) return;
  const detail =
    version === undefined
      ? `Name the version that is resumed; revocation run ${run.id} has version ${run.version}.`
      : `Revocation run ${run.id} has changed: it has version ${run.version} now.`;
  throw new Problem('conflict', detail);
}

function demandPace(actor: Actor, run: RevocationRun): void {
  if (isAdmin(actor) || actor.userId === run.actorId) return;
  throw new Problem('forbidden', 'Only administrators and the actor of a run, with whose rights it goes on, pace it.');
}

function earlier(one: Date, other: Date): Date {
  return one < other ? one : other;
}

function runView(run: ShownRun): RunView {
  const { id, state, crlReason, comments, replace, filter, perMinute, version, faultDetail } = run;
  const { waiting, done, alreadyRevoked, failed } = run;
  return {
    id,
    state,
    crlReason,
    comments,
    invalidityDate: instantOrNull(run.invalidityDate),
    replace,
    filter,
    perMinute,
    version,
    creator: { id: run.creatorId, username: run.creatorName },
    actor: { id: run.actorId, username: run.actorName },
    items: { waiting, done, alreadyRevoked, failed },
    nextAt: state === 'running' ? instant(run.nextAt) : null,
    faultDetail,
    createdAt: instant(run.createdAt),
    endedAt: instantOrNull(run.endedAt),
  };
}
