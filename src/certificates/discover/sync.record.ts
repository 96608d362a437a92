import { Injectable, Logger } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { isAllowedOwner } from '../../roles/owner-domain.js';
import { Database, sqlState, type Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { isolating } from '../../platform/isolating.js';
import type { Found } from '../../plugin-api/source.js';
import { EndpointRepository } from '../../sources/endpoint.repository.js';
import { type Source } from '../../sources/source.entity.js';
import { SourceRepository } from '../../sources/source.repository.js';
import { SourceSyncRepository } from '../../sources/source-sync.repository.js';
import { failureOf, isExpected } from '../failure.js';
import { AuthoritySource } from './authority.source.js';
import { Deployed } from './deployed.js';
import { Discovery, type Matched, type OwnerRelations } from './discovery.js';
import { type Findings, readFindings } from './findings.js';
import { FoundOwners } from './found-owners.js';
import { SourceLinkRepository } from './source-link.repository.js';

/** A look at a source that has begun. */
export interface OpenSync {
  id: number;
  source: Source;
  startedAt: Date;
}

const mostListed = 100;

/** Where what a source reports is written, together. */
@Injectable()
export class SyncWriting {
  constructor(
    readonly discovery: Discovery,
    readonly links: SourceLinkRepository,
    readonly endpoints: EndpointRepository,
    readonly deployed: Deployed,
    readonly foundOwners: FoundOwners,
    readonly authoritySource: AuthoritySource,
  ) {}
}

/** What is written down before, during and after a look at a source. */
@Injectable()
export class SyncRecord {
  private readonly logger = new Logger('discover');

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly sources: SourceRepository,
    private readonly syncs: SourceSyncRepository,
    private readonly writing: SyncWriting,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  /** The source of a sync that is to be done; null when there is nothing to do any more. */
  async sourceOf(syncId: number): Promise<Source | null> {
    const sync = await this.syncs.find(this.db.single, syncId);
    return sync && sync.finishedAt === null ? this.sources.find(this.db.single, sync.sourceId) : null;
  }

  /** Null when it has been finished meanwhile. */
  async begin(syncId: number, source: Source): Promise<OpenSync | null> {
    const startedAt = this.clock.now();
    return (await this.syncs.begin(this.db.single, syncId, startedAt)) ? { id: syncId, source, startedAt } : null;
  }

  /** Stores some hundreds of finds in one transaction; one that cannot be stored keeps no other back. */
  batch(sync: OpenSync, found: readonly Found[]): Promise<void> {
    return isolating(
      found,
      (part) => this.together(sync, part),
      (one, error) => this.odd(sync, one, error),
    );
  }

  private async together(sync: OpenSync, found: readonly Found[]): Promise<void> {
    const findings = await readFindings(sync.source, found, (owner) => isAllowedOwner(owner, this.config));
    await this.writing.authoritySource.mark(sync.source, findings.certificates);
    try {
      await this.store(sync, findings);
    } catch (error) {
      // Somebody has uploaded one of them at the same moment: now it is known.
      if (sqlState(error) !== '23505') throw error;
      await this.store(sync, findings);
    }
  }

  private async odd(sync: OpenSync, found: Found, error: unknown): Promise<void> {
    if (!isExpected(error)) this.logger.error(error);
    const location = found.kind === 'endpoint' ? found.externalId : found.location;
    const detail = `It cannot be stored: ${isExpected(error) ? (error as Error).message : failureOf(error).detail}`;
    await this.store(sync, { certificates: [], endpoints: [], troubles: [{ kind: 'trouble', location, detail }] });
  }

  private async store(sync: OpenSync, findings: Findings): Promise<void> {
    const owners = await this.writing.discovery.relationsOf(findings.certificates);
    await this.db.write(async (tx) => {
      await this.demandSource(tx, sync);
      const matched = await this.writing.discovery.match(tx, sync.source, findings.certificates, owners);
      await this.write(tx, sync, findings, { matched, owners });
    });
  }

  /** Everything was seen: what was not reported is not there any more. */
  async finish({ id, source: { id: sourceId }, startedAt }: OpenSync): Promise<void> {
    await this.db.write(async (tx) => {
      const source = await this.sources.findLocked(tx, sourceId);
      if (!source) return;
      const now = this.clock.now();
      const gone = await this.writing.links.forgetUnseen(tx, { sourceId, syncId: id });
      await this.writing.endpoints.noteUnseen(tx, sourceId, startedAt);
      const troubles = await this.writing.deployed.missing(tx, source, gone);
      await this.syncs.count(tx, id, {
        certificates: 0,
        imported: 0,
        endpoints: 0,
        gone: gone.length,
        troubles,
      });
      await this.syncs.finish(tx, { id, sourceId }, now);
      source.recordSync(now);
      await this.sources.save(tx, source);
      if (gone.length === 0) return;
      const after = { syncId: id, count: gone.length, certificateIds: gone.slice(0, mostListed) };
      await this.audit.record(tx, systemActor(''), {
        action: 'source.certificates-gone',
        targetType: 'source',
        targetId: sourceId,
        after,
      });
    });
  }

  /** It was not seen as a whole: what was seen stays written, and nothing counts as gone. */
  async failed({ id, source: { id: sourceId } }: OpenSync, error: unknown): Promise<void> {
    await this.db.write(async (tx) => {
      const source = await this.sources.findLocked(tx, sourceId);
      if (!source) return;
      const [now, failure] = [this.clock.now(), failureOf(error)];
      await this.syncs.finish(tx, { id, sourceId }, now, failure);
      source.recordFailure(failure, now);
      await this.sources.save(tx, source);
    });
  }

  private async demandSource(tx: Tx, { source: { id } }: OpenSync): Promise<void> {
    if (!(await this.sources.findLocked(tx, id))) throw new Problem('not-found', 'The source has been deleted.');
  }

  private async write(
    tx: Tx,
    { id, source }: OpenSync,
    { certificates, endpoints, troubles }: Findings,
    { matched, owners }: { matched: Matched; owners: OwnerRelations },
  ): Promise<void> {
    const now = this.clock.now();
    const key = { sourceId: source.id, syncId: id };
    const links = certificates.flatMap(({ location, externalId, owner }) => {
      const certificateId = matched.idAt.get(location);
      return certificateId === undefined ? [] : [{ location, certificateId, externalId, owner }];
    });
    const known = links.filter(({ certificateId }) => !matched.importedIds.includes(certificateId));
    await this.writing.foundOwners.link(tx, source, known, owners);
    await this.writing.links.see(tx, key, links, now);
    const kept = [...troubles, ...matched.troubles];
    await this.writing.links.keep(
      tx,
      key,
      kept.map(({ location }) => location),
    );
    await this.writing.endpoints.see(
      tx,
      source.id,
      endpoints.map(({ location, seen }) => ({ ...seen, certificateId: matched.idAt.get(location) ?? null })),
      now,
    );
    for (const trouble of troubles) await this.writing.endpoints.miss(tx, source.id, trouble);
    await this.writing.deployed.note(tx, source, links, now);
    const counts = {
      certificates: certificates.length,
      imported: matched.importedIds.length,
      endpoints: endpoints.length,
      gone: 0,
      troubles: kept,
    };
    await this.syncs.count(tx, id, counts);
  }
}
