import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/http/actor.js';
import { instantOrNull } from '../../platform/http/instant.js';
import type { Page } from '../../platform/http/page.js';
import type { RunCheck as FoundCheck } from '../runs/run-checks.js';
import type { RunItem, ShownRun } from '../runs/run.repository.js';
import type { RunQuery } from '../runs/run.schema.js';
import { commonItemView, commonView, Runs } from '../runs/runs.js';
import { RevocationKind } from './revocation-kind.js';
import type {
  CreatedRun,
  CreateRun,
  RevocationItemQuery,
  RunCheck,
  RunItemView,
  RunView,
  UpdateRun,
} from './revocation-run.schema.js';

/** Revocations of many certificates, in the words of their REST contract. Methods throw as those of Runs. */
@Injectable()
export class RevocationRuns {
  constructor(
    private readonly runs: Runs,
    private readonly kind: RevocationKind,
  ) {}

  /** Throws Problem `too-many-requests` for mails to too many owners, too. */
  async create(actor: Actor, { perMinute, ...request }: CreateRun): Promise<CreatedRun> {
    const { crlReason, comments = null, invalidityDate, replace = null } = request;
    const wishes = { crlReason, comments, invalidityDate: invalidityDate?.toISOString() ?? null, replace };
    const wish = { ...request, perHour: perMinute * 60 };
    const { check, run } = await this.runs.create(this.kind, actor, wish, wishes);
    return { dryRun: request.dryRun, check: check ? checkView(check) : null, run: run ? this.view(run) : null };
  }

  async list(actor: Actor, query: RunQuery): Promise<Page<RunView>> {
    const page = await this.runs.list(this.kind, actor, query);
    return { ...page, items: page.items.map((run) => this.view(run)) };
  }

  async get(actor: Actor, id: number): Promise<RunView> {
    return this.view(await this.runs.get(this.kind, actor, id));
  }

  async items(actor: Actor, id: number, query: RevocationItemQuery): Promise<Page<RunItemView>> {
    const page = await this.runs.items(this.kind, actor, id, query);
    return { ...page, items: page.items.map(itemView) };
  }

  async update(actor: Actor, id: number, { state, perMinute, version }: UpdateRun): Promise<RunView> {
    const perHour = perMinute && perMinute * 60;
    return this.view(await this.runs.update(this.kind, actor, id, { state, perHour, version }));
  }

  private view(run: ShownRun): RunView {
    const { crlReason, comments, invalidityDate, replace } = this.kind.wishesOf(run.wishes);
    const { waiting, done, already: alreadyRevoked, failed } = run;
    return {
      ...commonView(run),
      crlReason,
      comments,
      invalidityDate: instantOrNull(invalidityDate === null ? null : new Date(invalidityDate)),
      replace,
      perMinute: Math.max(1, Math.floor((run.perHour ?? 0) / 60)),
      items: { waiting, done, alreadyRevoked, failed },
    };
  }
}

function checkView({ selected, possible, already, unchecked, refused }: FoundCheck<unknown>): RunCheck {
  return { selected, revocable: possible, alreadyRevoked: already, unchecked, refused };
}

function itemView(item: RunItem): RunItemView {
  return { ...commonItemView(item), state: item.state as RunItemView['state'] };
}
