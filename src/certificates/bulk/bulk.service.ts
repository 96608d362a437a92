import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem, problems } from '../../platform/http/problem.js';
import { problemOf } from '../../platform/http/problem-of.js';
import { RevokeService } from '../revoke/revoke.service.js';
import { RotateService } from '../rotate/rotate.service.js';
import { UpdateService } from '../update/update.service.js';
import { CertificateSelection } from './certificate-selection.js';
import { type BulkItem, type BulkRequest, type BulkView, mostAtOnce } from './bulk.schema.js';

/** Applies the operation to one certificate. Resolves to the id of its successor, or null if there is none. */
type Operation = (id: number) => Promise<number | null>;

/** After this time the response reports the remaining certificates as not processed. */
const timeLimitMs = 60_000;
const concurrency = 8;

/**
 * Applies one operation (change, reissue or revoke) to many certificates, each in its own transaction. After a broken
 * connection, the client sends the same request again. `next` continues a selection of more than one page.
 */
@Injectable()
export class BulkService {
  private readonly logger = new Logger('bulk');

  constructor(
    private readonly clock: Clock,
    private readonly selection: CertificateSelection,
    private readonly updates: UpdateService,
    private readonly rotation: RotateService,
    private readonly revocation: RevokeService,
  ) {}

  /**
   * Throws Problem: `forbidden` if the actor lacks the permission for the operation, `conflict` if the filter selects
   * more than `maximum`, `invalid-request` for an unknown filter.
   */
  async run(actor: Actor, request: BulkRequest): Promise<BulkView> {
    const dryRun = request.dryRun ?? request.change === undefined;
    const operation = this.operationOf(actor, request, dryRun);
    const { ids, next } = await this.selected(actor, request);
    const until = this.clock.now().getTime() + timeLimitMs;
    const items: BulkItem[] = [];
    for (let at = 0; at < ids.length; at += concurrency) {
      const late = this.clock.now().getTime() >= until;
      items.push(
        ...(await Promise.all(
          ids.slice(at, at + concurrency).map(async (id) => (late ? notProcessed(id) : this.apply(id, operation))),
        )),
      );
    }
    const done = items.filter(({ ok }) => ok).length;
    return { dryRun, items, done, failed: items.length - done, ...(next !== undefined && { next }) };
  }

  /** Each operation checks the rights on every certificate, as its own route does. */
  private operationOf(actor: Actor, { change, reissue, revoke }: BulkRequest, dryRun: boolean): Operation {
    if (change) {
      demand(actor, 'certificate:update');
      return withoutSuccessor((id) =>
        dryRun ? this.updates.prepare(actor, id, change) : this.updates.update(actor, id, change),
      );
    }
    if (revoke) {
      demand(actor, 'certificate:revoke');
      return withoutSuccessor((id) =>
        dryRun ? this.revocation.prepare(actor, id, revoke) : this.revocation.revoke(actor, id, revoke),
      );
    }
    demand(actor, 'certificate:issue');
    return dryRun
      ? withoutSuccessor((id) => this.rotation.previewReissue(actor, id))
      : (id) => this.rotation.reissue(actor, id, reissue);
  }

  /** The ids of the certificates to handle, and `next` when the filter selects more. */
  private async selected(
    actor: Actor,
    { ids, filter, maximum = 0, after }: BulkRequest,
  ): Promise<{ ids: number[]; next?: string }> {
    if (ids) return { ids: [...new Set(ids)] };
    const { total, ...found } = await this.selection.page(actor, filter ?? {}, { count: mostAtOnce, after });
    if (total > maximum)
      throw new Problem(
        'conflict',
        `The filter selects ${total} certificates, more than the maximum of ${maximum}. Nothing was done.`,
      );
    return found;
  }

  private async apply(id: number, operation: Operation): Promise<BulkItem> {
    try {
      return { id, ok: true, problem: null, successorId: await operation(id) };
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'internal') this.logger.error(error);
      return failed(id, problem);
    }
  }
}

function withoutSuccessor(operation: (id: number) => Promise<unknown>): Operation {
  return async (id) => {
    await operation(id);
    return null;
  };
}

function demand(actor: Actor, permission: string): void {
  if (!actor.permissions.has(permission)) throw new Problem('forbidden', `This needs the permission ${permission}.`);
}

function notProcessed(id: number): BulkItem {
  return failed(id, new Problem('unavailable', 'Not processed in time. Send the request again.'));
}

function failed(id: number, { code, detail }: Problem): BulkItem {
  return { id, ok: false, problem: { code, status: problems[code].status, detail }, successorId: null };
}
