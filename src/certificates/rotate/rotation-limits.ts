import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid } from '../../platform/http/problem.js';
import { wordsOf } from '../../platform/http/reference.js';
import { LimitRepository } from '../../rotation/limit.repository.js';
import type { LimitsRequest, LimitsView } from '../../rotation/limit.schema.js';

/** Reads and replaces the limits of renewals per hour. */
@Injectable()
export class RotationLimits {
  constructor(
    private readonly db: Database,
    private readonly limits: LimitRepository,
    private readonly authorities: AuthorityRepository,
    private readonly audit: Audit,
  ) {}

  get(): Promise<LimitsView> {
    return this.view(this.db.single);
  }

  /** Throws Problem `invalid-request` for an authority that is unknown or named twice. */
  async replace(actor: Actor, request: LimitsRequest): Promise<LimitsView> {
    return this.db.write(async (tx) => {
      await this.limits.lock(tx);
      const before = await this.view(tx);
      const limits = new Map<number, number>();
      for (const [at, { authority: ref, perHour }] of request.authorities.entries()) {
        const authority = await this.authorities.find(tx, ref);
        const field = `authorities.${at}.authority`;
        if (!authority) throw invalid(field, `Unable to locate authority ${wordsOf(ref)}.`);
        if (limits.has(authority.id)) throw invalid(field, `${authority.name} is named twice.`);
        limits.set(authority.id, perHour);
      }
      const all = [...limits].map(([authorityId, perHour]) => ({ authorityId, perHour }));
      const { perHour } = request;
      await this.limits.replace(tx, perHour ? [{ authorityId: null, perHour }, ...all] : all);
      const after = await this.view(tx);
      await this.audit.record(tx, actor, {
        action: 'rotation-limits.changed',
        targetType: 'rotation-limits',
        targetId: 0,
        before,
        after,
      });
      return after;
    });
  }

  private async view(tx: Tx): Promise<LimitsView> {
    const limits = await this.limits.all(tx);
    return {
      perHour: limits.find(({ authorityId }) => authorityId === null)?.perHour ?? null,
      authorities: limits.flatMap(({ authorityId: id, authorityName: name, perHour }) =>
        id === null ? [] : [{ authority: { id, name: name ?? '' }, perHour }],
      ),
    };
  }
}
