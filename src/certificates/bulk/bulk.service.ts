import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem, problems } from '../../platform/http/problem.js';
import { problemOf } from '../../platform/http/problem-of.js';
import { validate } from '../../platform/http/validate.js';
import { CertificateLists } from '../list/certificate-lists.js';
import { ListQuery } from '../list/list.schema.js';
import { RevokeService } from '../revoke/revoke.service.js';
import { RotateService } from '../rotate/rotate.service.js';
import { UpdateService } from '../update/update.service.js';
import { type BulkItem, type BulkRequest, type BulkView, mostAtOnce } from './bulk.schema.js';

/** What is done to each certificate; the id of its successor where it gets one. */
type Deed = (id: number) => Promise<number | null>;

/** Answers come back within this time, whatever issuers do; what was not reached says so. */
const patienceMs = 60_000;
/** So many are worked on at the same time. */
const together = 8;

/** The use cases that can be applied to many certificates. */
@Injectable()
export class BulkDeeds {
  constructor(
    private readonly updates: UpdateService,
    private readonly rotation: RotateService,
    private readonly revocation: RevokeService,
  ) {}

  /**
   * Each applies the rights of its own route to every certificate. Throws Problem `forbidden` when the actor may do it
   * to none.
   */
  of(actor: Actor, { change, reissue, revoke }: BulkRequest, dryRun: boolean): Deed {
    if (change) {
      demand(actor, 'certificate:update');
      return silent((id) =>
        dryRun ? this.updates.prepare(actor, id, change) : this.updates.update(actor, id, change),
      );
    }
    if (revoke) {
      demand(actor, 'certificate:revoke');
      return silent((id) =>
        dryRun ? this.revocation.prepare(actor, id, revoke) : this.revocation.revoke(actor, id, revoke),
      );
    }
    demand(actor, 'certificate:issue');
    return dryRun
      ? silent((id) => this.rotation.previewReissue(actor, id))
      : (id) => this.rotation.reissue(actor, id, reissue);
  }
}

function silent(deed: (id: number) => Promise<unknown>): Deed {
  return async (id) => {
    await deed(id);
    return null;
  };
}

function demand(actor: Actor, permission: string): void {
  if (!actor.permissions.has(permission)) throw new Problem('forbidden', `This needs the permission ${permission}.`);
}

/**
 * Does one thing to many certificates, each in a transaction of its own. What a broken connection leaves undone is done
 * by the same request sent again; sets of more than one page go on behind `next`.
 */
@Injectable()
export class BulkService {
  private readonly logger = new Logger('bulk');

  constructor(
    private readonly clock: Clock,
    private readonly lists: CertificateLists,
    private readonly deeds: BulkDeeds,
  ) {}

  /**
   * Throws Problem: `conflict` when the filter selects more than `maximum`, `invalid-request` for a filter that lists
   * do not know.
   */
  async run(actor: Actor, request: BulkRequest): Promise<BulkView> {
    const dryRun = request.dryRun ?? request.change === undefined;
    const deed = this.deeds.of(actor, request, dryRun);
    const { ids, next } = await this.selected(actor, request);
    const until = this.clock.now().getTime() + patienceMs;
    const items: BulkItem[] = [];
    for (let at = 0; at < ids.length; at += together) {
      const late = this.clock.now().getTime() >= until;
      items.push(
        ...(await Promise.all(
          ids.slice(at, at + together).map(async (id) => (late ? notReached(id) : this.one(id, deed))),
        )),
      );
    }
    const done = items.filter(({ ok }) => ok).length;
    return { dryRun, items, done, failed: items.length - done, ...(next !== undefined && { next }) };
  }

  private async selected(
    actor: Actor,
    { ids, filter, maximum = 0, after }: BulkRequest,
  ): Promise<{ ids: number[]; next?: string }> {
    if (ids) return { ids: [...new Set(ids)] };
    const words = Object.fromEntries(Object.entries(filter ?? {}).map(([name, value]) => [name, String(value)]));
    const query = validate(
      ListQuery.omit({ page: true, count: true, sortBy: true, sortDir: true, after: true, short: true }),
      words,
    );
    const place = validate(ListQuery.pick({ page: true, count: true, after: true }), {
      count: String(mostAtOnce),
      ...(after !== undefined && { after }),
    });
    const { total, ...found } = await this.lists.ids(actor, { ...query, ...place });
    if (total > maximum)
      throw new Problem(
        'conflict',
        `The filter selects ${total} certificates, more than the maximum of ${maximum}: nothing was done.`,
      );
    return found;
  }

  private async one(id: number, deed: Deed): Promise<BulkItem> {
    try {
      return { id, ok: true, problem: null, successorId: await deed(id) };
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'internal') this.logger.error(error);
      return failed(id, problem);
    }
  }
}

function notReached(id: number): BulkItem {
  return failed(id, new Problem('unavailable', 'Not reached in time: ask again.'));
}

function failed(id: number, { code, detail }: Problem): BulkItem {
  return { id, ok: false, problem: { code, status: problems[code].status, detail }, successorId: null };
}
