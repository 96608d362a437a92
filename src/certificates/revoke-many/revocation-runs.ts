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
import { event, goOnWithRun, paceOf } from './revocation-run.job.js';
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
  ) {}

  /**
   * Throws Problem `conflict` when the filter selects more than `maximum`, `invalid-request` for an unknown filter,
   * `too-many-requests`: all mails of a run count as one request, because its pace bounds them.
   */
  async create(actor: Actor, request: CreateRun): Promise<CreatedRun> {
    const { ids, filter, maximum = 0 } = request;
    const selected = ids ? [...new Set(ids)] : await this.selection.all(actor, filter ?? {}, maximum);
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

  /** Throws Problem `wrong-state` when the run has ended. */
  async update(actor: Actor, id: number, { state, perMinute }: UpdateRun): Promise<RunView> {
    await this.db.write(async (tx) => {
      await this.visible(tx, actor, id);
      const run = await this.runs.lock(tx, id);
      const before = { state: run.state, perMinute: run.perMinute };
      const after = { state: state ?? run.state, perMinute: perMinute ?? run.perMinute };
      if (before.state === after.state && before.perMinute === after.perMinute) return;
      if (run.endedAt !== null) throw new Problem('wrong-state', `Revocation run ${id} is ${run.state} already.`);
      run.perMinute = after.perMinute;
      if (before.state !== after.state) this.change(actor, run, after.state);
      // A faster pace need not wait for the end of a slow step.
      run.nextAt = earlier(run.nextAt, new Date(this.clock.now().getTime() + paceOf(run.perMinute).waitMs));
      await this.runs.save(tx, run);
      if (run.state === 'running') await goOnWithRun.enqueue(tx, { runId: id });
      const done = before.state === after.state ? 'changed' : changes[run.state as keyof typeof changes];
      await this.audit.record(tx, actor, { ...event(done, run), before, after });
    });
    return this.get(actor, id);
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

function earlier(one: Date, other: Date): Date {
  return one < other ? one : other;
}

function runView(run: ShownRun): RunView {
  const { id, state, crlReason, comments, replace, filter, perMinute, faultDetail } = run;
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
    creator: { id: run.creatorId, username: run.creatorName },
    actor: { id: run.actorId, username: run.actorName },
    items: { waiting, done, alreadyRevoked, failed },
    nextAt: state === 'running' ? instant(run.nextAt) : null,
    faultDetail,
    createdAt: instant(run.createdAt),
    endedAt: instantOrNull(run.endedAt),
  };
}
