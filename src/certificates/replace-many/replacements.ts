import { Injectable } from '@nestjs/common';
import { Authorities } from '../../authorities/authorities.js';
import { resolveKeyType } from '../../pki/key.js';
import type { Actor } from '../../platform/http/actor.js';
import { blame } from '../../platform/http/blame.js';
import { instantOrNull } from '../../platform/http/instant.js';
import type { Page } from '../../platform/http/page.js';
import { KnownProfiles } from '../../profiles/known-profiles.js';
import type { CertificateState } from '../certificate.entity.js';
import type { RunCheck } from '../runs/run-checks.js';
import type { RunItem, ShownRun } from '../runs/run.repository.js';
import type { RunQuery } from '../runs/run.schema.js';
import { commonItemView, commonView, Runs } from '../runs/runs.js';
import { ReplacementKind } from './replacement-kind.js';
import type {
  CreatedReplacement,
  CreateReplacement,
  ReplacementCheck,
  ReplacementExample,
  ReplacementItemQuery,
  ReplacementItemView,
  ReplacementView,
  ReplacementWishes,
  UpdateReplacement,
} from './replacement.schema.js';

/** Replacements of many certificates, in the words of their REST contract. Methods throw as those of Runs. */
@Injectable()
export class Replacements {
  constructor(
    private readonly runs: Runs,
    private readonly kind: ReplacementKind,
    private readonly authorities: Authorities,
    private readonly profiles: KnownProfiles,
  ) {}

  /**
   * A filter that names no `lifecycle` selects issued certificates. Throws Problem `invalid-request` for an authority,
   * a profile or a key type that does not exist, too.
   */
  async create(actor: Actor, request: CreateReplacement): Promise<CreatedReplacement> {
    const { dryRun } = request;
    const filter = request.filter && { lifecycle: 'issued', ...request.filter };
    const wishes = await this.wishesOf(request);
    const { check, run } = await this.runs.create(this.kind, actor, { ...request, filter }, wishes);
    return { dryRun, check: check ? checkView(check) : null, run: run ? this.view(run) : null };
  }

  async list(actor: Actor, query: RunQuery): Promise<Page<ReplacementView>> {
    const page = await this.runs.list(this.kind, actor, query);
    return { ...page, items: page.items.map((run) => this.view(run)) };
  }

  async get(actor: Actor, id: number): Promise<ReplacementView> {
    return this.view(await this.runs.get(this.kind, actor, id));
  }

  async items(actor: Actor, id: number, query: ReplacementItemQuery): Promise<Page<ReplacementItemView>> {
    const page = await this.runs.items(this.kind, actor, id, query);
    return { ...page, items: page.items.map(itemView) };
  }

  async update(actor: Actor, id: number, { state, perHour, version }: UpdateReplacement): Promise<ReplacementView> {
    return this.view(await this.runs.update(this.kind, actor, id, { state, perHour, version }));
  }

  /** With ids for references, so that a later rename does not send the run elsewhere. */
  private async wishesOf(request: CreateReplacement): Promise<ReplacementWishes> {
    const { authority, profile, keyType, reason, maintenanceWindows, includeRotationOff, notify } = request;
    const found = authority && (await this.authorities.resolve(authority)).authority;
    const used = profile && (await this.profiles.find(profile, false));
    return {
      reason,
      authority: found ? { id: found.id, name: found.name } : null,
      profile: used ? { id: used.id, name: used.name } : null,
      keyType: keyType === undefined ? null : blame('keyType', () => resolveKeyType(keyType)),
      maintenanceWindows,
      includeRotationOff,
      notify,
    };
  }

  private view(run: ShownRun): ReplacementView {
    const { perHour, waiting, held, done, already: alreadyReplaced, failed, underWay, issued } = run;
    return {
      ...commonView(run),
      ...this.kind.wishesOf(run.wishes),
      perHour,
      items: { waiting, held, done, alreadyReplaced, failed },
      successors: { underWay, issued, ended: done - underWay - issued },
    };
  }
}

function checkView({ possible, already, ...others }: RunCheck<ReplacementExample>): ReplacementCheck {
  return { ...others, replaceable: possible, alreadyReplaced: already };
}

function itemView(item: RunItem): ReplacementItemView {
  const { certificateName, state, heldUntil, successorId: id, successorName: name, successorState } = item;
  return {
    ...commonItemView(item),
    name: certificateName,
    state: state as ReplacementItemView['state'],
    heldUntil: instantOrNull(heldUntil),
    successor: id === null || name === null ? null : { id, name, lifecycle: successorState as CertificateState },
  };
}
