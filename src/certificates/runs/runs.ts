import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instant, instantOrNull } from '../../platform/http/instant.js';
import type { Page } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { isAdmin } from '../../roles/permission.js';
import { CertificateSelection } from '../bulk/certificate-selection.js';
import { event, goOnWithRun } from './run.job.js';
import { RunChecks, type RunCheck } from './run-checks.js';
import { type RunKind, titleOf, unknownRun } from './run-kind.js';
import { type CertificateRun, type RunItem, RunRepository, type ShownRun } from './run.repository.js';
import type { RunItemQuery, RunQuery, RunState, SelectionWish } from './run.schema.js';
import { paceOf, RunTime } from './run-time.js';

/** What becomes of a run by a change of its state; each is an audit event. */
const changes = {
  running: 'resumed',
  paused: 'paused',
  cancelled: 'cancelled',
} as const satisfies Partial<Record<RunState, string>>;

/** What a request for a run says beside the wishes of its kind. `perHour`: null for as fast as it can. */
export interface RunWish extends SelectionWish {
  perHour: number | null;
  dryRun: boolean;
}

/** What is absent stays as it is. */
export interface RunChange {
  state?: RunState;
  perHour?: number | null;
  version?: number;
}

/**
 * Runs that do something to many certificates. Whoever made one or goes on with it, and administrators, see and change
 * it. Methods throw Problem `not-found` for others.
 */
@Injectable()
export class Runs {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly selection: CertificateSelection,
    private readonly checks: RunChecks,
    private readonly runs: RunRepository,
    private readonly audit: Audit,
    private readonly time: RunTime,
  ) {}

  /**
   * Makes a run, or checks in a dry run what it would do. Throws Problem `conflict` when the filter selects more than
   * `maximum` and when the actor's API key ends before the run can, `invalid-request` for an unknown filter, and as
   * `demand` of the kind.
   */
  async create<W extends object, E>(
    kind: RunKind<W, E>,
    actor: Actor,
    { ids, filter, maximum = 0, perHour, dryRun }: RunWish,
    wishes: W,
  ): Promise<{ check: RunCheck<E>; run?: undefined } | { check?: undefined; run: ShownRun }> {
    const selected = ids ? [...new Set(ids)] : await this.selection.all(actor, filter ?? {}, maximum);
    const settled = await kind.settled(this.db.single, selected, wishes);
    await this.time.demand(this.db.single, actor, selected.length - settled.size, perHour);
    if (dryRun) return { check: await this.checks.check(kind, actor, selected, wishes) };
    await kind.demand(actor, selected, wishes);
    const now = this.clock.now();
    const asker = { creatorId: actor.userId, actorId: actor.userId, apiKeyId: actor.apiKey?.id ?? null };
    const id = await this.db.write(async (tx) => {
      const runId = await this.runs.add(
        tx,
        { kind: kind.name, ...asker, wishes, filter: filter ?? null, perHour, nextAt: now, createdAt: now },
        selected,
        { settled: await kind.settled(tx, selected, wishes), already: kind.already },
      );
      const after = { ...wishes, filter, perHour, selected: selected.length };
      await this.audit.record(tx, actor, { ...event('started', { id: runId, kind: kind.name }), after });
      await goOnWithRun.enqueue(tx, { runId });
      return runId;
    });
    return { run: await this.get(kind, actor, id) };
  }

  list({ name }: RunKindOnly, actor: Actor, query: RunQuery): Promise<Page<ShownRun>> {
    return this.runs.list(this.db.single, name, query, isAdmin(actor) ? null : actor.userId);
  }

  get(kind: RunKindOnly, actor: Actor, id: number): Promise<ShownRun> {
    return this.visible(this.db.single, kind, actor, id);
  }

  async items(kind: RunKindOnly, actor: Actor, id: number, query: RunItemQuery): Promise<Page<RunItem>> {
    await this.visible(this.db.single, kind, actor, id);
    return this.runs.items(this.db.single, id, query);
  }

  /**
   * Throws Problem `wrong-state` when the run has ended, `conflict` when it is not the version that was read any more
   * or the actor's API key ends before it can, `forbidden` for the pace of a run with the rights of another.
   */
  async update(kind: RunKindOnly, actor: Actor, id: number, change: RunChange): Promise<ShownRun> {
    const { state, perHour, version } = change;
    await this.db.write(async (tx) => {
      await this.visible(tx, kind, actor, id);
      const run = await this.runs.lock(tx, id);
      const before = { state: run.state, perHour: run.perHour };
      const after = { state: state ?? run.state, perHour: perHour === undefined ? run.perHour : perHour };
      if (before.state === after.state && before.perHour === after.perHour) return;
      if (run.endedAt !== null)
        throw new Problem('wrong-state', `${titleOf(run.kind)} run ${id} is ${run.state} already.`);
      demandRead(run, after.state, version);
      run.perHour = after.perHour;
      if (before.state !== after.state) this.change(actor, run, after.state);
      if (before.perHour !== after.perHour) demandPace(actor, run);
      await this.demandTime(tx, actor, run);
      // A faster pace need not wait for the end of a slow step.
      run.nextAt = earlier(run.nextAt, new Date(this.clock.now().getTime() + paceOf(run.perHour).waitMs));
      await this.runs.save(tx, run);
      if (run.state === 'running') await goOnWithRun.enqueue(tx, { runId: id });
      const done = before.state === after.state ? 'changed' : changes[run.state as keyof typeof changes];
      await this.audit.record(tx, actor, { ...event(done, run), before, after });
    });
    return this.get(kind, actor, id);
  }

  private async demandTime(tx: Tx, actor: Actor, run: CertificateRun): Promise<void> {
    const isOfActor = run.actorId === actor.userId && run.apiKeyId === (actor.apiKey?.id ?? null);
    if (run.state !== 'running' || !isOfActor) return;
    const found = await this.runs.find(tx, run.kind, run.id);
    await this.time.demand(tx, actor, found?.waiting ?? 0, run.perHour);
  }

  /** Throws Problem `wrong-state` for `finished`, which only the program makes it. */
  private change(actor: Actor, run: CertificateRun, state: RunState): void {
    if (state === 'finished') throw new Problem('wrong-state', 'Only a run without waiting certificates is finished.');
    const now = this.clock.now();
    run.state = state;
    if (state === 'cancelled') run.endedAt = now;
    if (state !== 'running') return;
    run.actorId = actor.userId;
    run.apiKeyId = actor.apiKey?.id ?? null;
    run.faultDetail = null;
  }

  private async visible(tx: Tx, { name }: RunKindOnly, actor: Actor, id: number): Promise<ShownRun> {
    const run = await this.runs.find(tx, name, id);
    if (run && (isAdmin(actor) || actor.userId === run.creatorId || actor.userId === run.actorId)) return run;
    throw unknownRun(name, id);
  }
}

type RunKindOnly = Pick<RunKind, 'name'>;

/** A client that sends back what it read must not resume what was paused meanwhile. */
function demandRead(run: CertificateRun, state: RunState, version: number | undefined): void {
  const isResumed = run.state === 'paused' && state === 'running';
  if (version === run.version || (version === undefined && !isResumed)) return;
  const detail =
    version === undefined
      ? `Name the version that is resumed; ${run.kind} run ${run.id} has version ${run.version}.`
      : `${titleOf(run.kind)} run ${run.id} has changed: it has version ${run.version} now.`;
  throw new Problem('conflict', detail);
}

function demandPace(actor: Actor, run: CertificateRun): void {
  if (isAdmin(actor) || actor.userId === run.actorId) return;
  throw new Problem('forbidden', 'Only administrators and the actor of a run, with whose rights it goes on, pace it.');
}

function earlier(one: Date, other: Date): Date {
  return one < other ? one : other;
}

/** The members of a view that every run has. */
export function commonView(run: ShownRun) {
  const { id, state, filter, version, faultDetail } = run;
  return {
    id,
    state,
    filter,
    version,
    creator: { id: run.creatorId, username: run.creatorName },
    actor: { id: run.actorId, username: run.actorName },
    nextAt: state === 'running' ? instant(run.nextAt) : null,
    faultDetail,
    createdAt: instant(run.createdAt),
    endedAt: instantOrNull(run.endedAt),
  };
}

/** The members of a view that every certificate of a run has. */
export function commonItemView({ certificateId, attempts, problemCode: code, problemDetail, at }: RunItem) {
  return {
    certificateId,
    attempts,
    problem: code === null ? null : { code, detail: problemDetail ?? '' },
    at: instantOrNull(at),
  };
}
