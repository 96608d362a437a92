import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx, violatedConstraint } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instant } from '../../platform/http/instant.js';
import type { Page } from '../../platform/http/page.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { type Reference, wordsOf } from '../../platform/http/reference.js';
import { lacking } from '../../roles/permission.js';
import type { PauseScope } from '../../rotation/holds.js';
import { PauseRepository, type StoredPause } from '../../rotation/pause.repository.js';
import {
  type PauseChange,
  type PauseQuery,
  type PauseRequest,
  type PauseView,
  pauseView,
} from '../../rotation/pause.schema.js';
import { SourceRepository } from '../../sources/source.repository.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';
import { event, lookAgain, resumeRenewals } from './resume-renewals.job.js';

/** Finds what a pause holds, and demands the right to pause it. */
@Injectable()
export class PauseTargets {
  constructor(
    private readonly authorities: AuthorityRepository,
    private readonly sources: SourceRepository,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
  ) {}

  /** The id of the authority, source or certificate; null for all. Throws as `demand`, and for unknown ones. */
  async find(tx: Tx, actor: Actor, request: PauseRequest): Promise<number | null> {
    const { scope, authority, source, certificate } = request;
    await this.demand(tx, actor, { scope, targetId: certificate?.id ?? null });
    if (authority) return (await this.authorities.find(tx, authority))?.id ?? unknown(scope, authority);
    if (source?.label !== undefined) return (await this.sources.getByLabel(tx, source.label)).id;
    if (source) return (await this.sources.get(tx, source.id ?? 0)).id;
    return certificate?.id ?? null;
  }

  /** Those who may change a certificate may pause it; the rest is for those who may change policies. */
  async demand(tx: Tx, actor: Actor, { scope, targetId }: Pick<StoredPause, 'scope' | 'targetId'>): Promise<void> {
    if (scope === 'certificate')
      return this.access.demandChange(tx, actor, await this.certificates.get(tx, targetId ?? 0));
    if (!actor.permissions.has('policy:write')) throw new Problem('forbidden', lacking('policy:write', actor));
  }
}

/** The use cases on pauses of renewals. What a pause held is spread when it ends, so that it does not renew at once. */
@Injectable()
export class RotationPauses {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly pauses: PauseRepository,
    private readonly targets: PauseTargets,
    private readonly audit: Audit,
  ) {}

  async list(query: PauseQuery): Promise<Page<PauseView>> {
    const page = await this.pauses.list(this.db.single, query);
    return { ...page, items: page.items.map(pauseView) };
  }

  async get(id: number): Promise<PauseView> {
    return pauseView(await this.pauses.get(this.db.single, id));
  }

  /** Throws Problem `conflict` when the target is paused already, `forbidden`. */
  async add(actor: Actor, request: PauseRequest): Promise<PauseView> {
    const since = this.clock.now();
    const { scope, reason, until = null, holdsEmergencies } = request;
    if (until !== null && until <= since) throw invalid('until', 'Give a time in the future.');
    try {
      const id = await this.db.write(async (tx) => {
        const targetId = await this.targets.find(tx, actor, request);
        const pause = { scope, targetId, holdsEmergencies, reason, userId: actor.userId, since, until };
        const pauseId = await this.pauses.add(tx, pause);
        await this.audit.record(tx, actor, { ...event('started', pauseId), after: shown(pause) });
        return pauseId;
      });
      return await this.get(id);
    } catch (error) {
      if (violatedConstraint(error) === 'rotation_pause_open')
        throw new Problem('conflict', `There is a pause of ${scope === 'all' ? 'all renewals' : `this ${scope}`}.`);
      throw error;
    }
  }

  /** Throws Problem `wrong-state` when it has ended. */
  async change(actor: Actor, id: number, change: PauseChange): Promise<PauseView> {
    await this.db.write(async (tx) => {
      const pause = await this.lockOpen(tx, actor, id);
      const [before, heldEmergencies] = [shown(pause), pause.holdsEmergencies];
      if (change.until && change.until <= this.clock.now()) throw invalid('until', 'Give a time in the future.');
      if (change.until !== undefined) pause.until = change.until;
      pause.reason = change.reason ?? pause.reason;
      pause.holdsEmergencies = change.holdsEmergencies ?? pause.holdsEmergencies;
      await this.pauses.save(tx, pause);
      // What it held as an emergency would otherwise wait until it is looked at tomorrow.
      if (heldEmergencies && !pause.holdsEmergencies) await lookAgain.enqueue(tx, { pauseId: id, after: 0 });
      await this.audit.record(tx, actor, { ...event('changed', id), before, after: shown(pause) });
    });
    return this.get(id);
  }

  /** Ends a pause now. Throws Problem `wrong-state` when it has ended. */
  async end(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const pause = await this.lockOpen(tx, actor, id);
      pause.endedAt = this.clock.now();
      await this.pauses.save(tx, pause);
      await this.audit.record(tx, actor, { ...event('ended', id), before: shown(pause) });
      await resumeRenewals.enqueue(tx, { pauseId: id });
    });
  }

  private async lockOpen(tx: Tx, actor: Actor, id: number): Promise<StoredPause> {
    const pause = await this.pauses.lock(tx, id);
    await this.targets.demand(tx, actor, pause);
    if (pause.endedAt !== null) throw new Problem('wrong-state', `Pause ${id} ended at ${instant(pause.endedAt)}.`);
    return pause;
  }
}

function unknown(scope: PauseScope, ref: Reference): never {
  throw invalid(scope, `Unable to locate ${scope} ${wordsOf(ref)}.`);
}

/** What an audit event says of a pause. */
function shown({ scope, targetId, reason, holdsEmergencies, until }: Omit<StoredPause, 'id' | 'endedAt'>): object {
  return { scope, targetId, reason, holdsEmergencies, until };
}
