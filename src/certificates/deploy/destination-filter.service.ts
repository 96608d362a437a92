import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import { Destinations } from '../../destinations/destinations.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instant } from '../../platform/http/instant.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { wordsOf } from '../../platform/http/reference.js';
import { AccountRepository } from '../../roles/account.repository.js';
import { lacking } from '../../roles/permission.js';
import { type DestinationFilter, likeOf, namePatternOf } from './destination-filter.entity.js';
import { DestinationFilterRepository } from './destination-filter.repository.js';
import { type FilterRequest, type FilterView, mostJoining } from './destination-filter.schema.js';
import { joinDestination, Joining } from './join.job.js';

/** Sets and removes the filter of a destination, and tells which certificates it selects. */
@Injectable()
export class DestinationFilters {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly authorities: AuthorityRepository,
    private readonly accounts: AccountRepository,
    private readonly destinations: Destinations,
    private readonly filters: DestinationFilterRepository,
    private readonly joining: Joining,
  ) {}

  /** Throws Problem `not-found` when the destination has no filter. */
  get({ requestId }: Actor, destinationId: number): Promise<FilterView> {
    return this.db.search(async (tx) => this.view(tx, await this.existing(tx, destinationId), requestId));
  }

  /** Replaces the filter; certificates that match it now join. With `dryRun` it changes nothing. */
  async set(actor: Actor, destinationId: number, { dryRun, ...request }: FilterRequest): Promise<FilterView> {
    if (dryRun) return this.db.search(async (tx) => this.checked(tx, actor, destinationId, request));
    return this.db.write(async (tx) => {
      const before = await this.filters.find(tx, destinationId);
      const filter = await this.filterOf(tx, actor, destinationId, request);
      await this.filters.save(tx, filter);
      await joinDestination.enqueue(tx, { destinationId, after: 0, again: true });
      await this.audit.record(tx, actor, {
        action: 'destination.filter-set',
        targetType: 'destination',
        targetId: destinationId,
        ...(before && { before: recorded(before) }),
        after: recorded(filter),
      });
      return this.view(tx, filter, actor.requestId);
    });
  }

  /** What has joined stays. Throws Problem `not-found`. */
  async remove(actor: Actor, destinationId: number): Promise<void> {
    await this.db.write(async (tx) => {
      const filter = await this.existing(tx, destinationId);
      const before = recorded(filter);
      await this.filters.remove(tx, filter);
      await this.audit.record(tx, actor, {
        action: 'destination.filter-removed',
        targetType: 'destination',
        targetId: destinationId,
        before,
      });
    });
  }

  private async existing(tx: Tx, destinationId: number): Promise<DestinationFilter> {
    const filter = await this.filters.find(tx, destinationId);
    if (!filter) throw new Problem('not-found', `Destination ${destinationId} has no filter.`);
    return filter;
  }

  private async checked(
    tx: Tx,
    actor: Actor,
    destinationId: number,
    request: Omit<FilterRequest, 'dryRun'>,
  ): Promise<FilterView> {
    return this.view(tx, await this.filterOf(tx, actor, destinationId, request), actor.requestId);
  }

  private async filterOf(
    tx: Tx,
    actor: Actor,
    destinationId: number,
    { owner, authority: ref, name, label, imported }: Omit<FilterRequest, 'dryRun'>,
  ): Promise<DestinationFilter> {
    const { needsPrivateKey, plugin } = await this.destinations.get(tx, destinationId);
    if (needsPrivateKey && !actor.permissions.has('key:read'))
      throw new Problem('forbidden', `${plugin.title} takes private keys. ${lacking('key:read', actor)}`);
    const authority = ref ? await this.authorities.find(tx, ref) : null;
    if (ref && !authority) throw invalid('authority', `Unable to locate authority ${wordsOf(ref)}.`);
    return {
      destinationId,
      owner: owner ?? null,
      authorityId: authority?.id ?? null,
      nameLike: name ? likeOf(name) : null,
      label: label ?? null,
      imported,
      askerId: actor.userId || null,
      apiKeyId: actor.apiKey?.id ?? null,
      setAt: this.clock.now(),
    };
  }

  private async view(tx: Tx, filter: DestinationFilter, requestId: string): Promise<FilterView> {
    const { destinationId, owner, authorityId, nameLike, label, imported, askerId, setAt } = filter;
    const authority = authorityId === null ? null : await this.authorities.find(tx, { id: authorityId });
    const asker = askerId === null ? null : await this.accounts.find(tx, askerId);
    const { needsPrivateKey: withKey } = await this.destinations.get(tx, destinationId);
    const bounds = { now: this.clock.now(), after: 0, limit: mostJoining.counted, withKey };
    const joining = await this.filters.joining(tx, filter, bounds);
    return {
      owner,
      authority: authority && { id: authority.id, name: authority.name },
      name: nameLike === null ? null : namePatternOf(nameLike),
      label,
      imported,
      setBy: asker && { id: asker.id, username: asker.username },
      setAt: instant(setAt),
      active: (await this.joining.askerOf(tx, filter, requestId)) !== null,
      joining: { count: joining.length, certificates: joining.slice(0, mostJoining.named) },
    };
  }
}

/** The audited form. */
function recorded({ owner, authorityId, nameLike, label, imported }: DestinationFilter): object {
  return { owner, authorityId, name: nameLike === null ? null : namePatternOf(nameLike), label, imported };
}
