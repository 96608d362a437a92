import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, sqlState, type Tx } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import { isolating } from '../../platform/isolating.js';
import type { Report } from '../../plugin-api/source.js';
import { isAllowedOwner } from '../../roles/owner-domain.js';
import { SourceRepository } from '../../sources/source.repository.js';
import type { OpenSync } from '../../sources/source-sync.entity.js';
import { SourceSyncRepository } from '../../sources/source-sync.repository.js';
import { failureOf, isExpected } from '../failure.js';
import { Discovery, type Matched, type OwnerRelations } from './discovery.js';
import { type Findings, readFindings } from './findings.js';
import { FoundOwners } from './found-owners.js';
import { SourceInventory } from './source-inventory.js';

/** Stores the reports of a source: imports unknown certificates, and notes where each certificate and endpoint is. */
@Injectable()
export class FindingStore {
  private readonly logger = new Logger('discover');

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly sources: SourceRepository,
    private readonly syncs: SourceSyncRepository,
    private readonly discovery: Discovery,
    private readonly foundOwners: FoundOwners,
    private readonly inventory: SourceInventory,
  ) {}

  /** Stores some hundreds of reports in one transaction. A report that cannot be stored does not affect the others. */
  store(sync: OpenSync, found: readonly Report[]): Promise<void> {
    return isolating(
      found,
      (part) => this.storeTogether(sync, part),
      (one, error) => this.storeTrouble(sync, one, error),
    );
  }

  private async storeTogether(sync: OpenSync, found: readonly Report[]): Promise<void> {
    const findings = await readFindings(sync.source, found, (owner) => isAllowedOwner(owner, this.config));
    try {
      await this.write(sync, findings);
    } catch (error) {
      // A unique violation: a certificate was uploaded at the same moment. Now it is known.
      if (sqlState(error) !== '23505') throw error;
      await this.write(sync, findings);
    }
  }

  /** Stores that a report could not be stored. */
  private async storeTrouble(sync: OpenSync, found: Report, error: unknown): Promise<void> {
    if (!isExpected(error)) this.logger.error(error);
    const location = locationOf(found);
    const detail = `It cannot be stored: ${isExpected(error) ? (error as Error).message : failureOf(error).detail}`;
    const troubles = [{ kind: 'trouble' as const, location, detail }];
    await this.write(sync, { certificates: [], endpoints: [], troubles, position: null });
  }

  private async write(sync: OpenSync, findings: Findings): Promise<void> {
    const owners = await this.discovery.prepare(sync.source, findings.certificates);
    await this.db.write(async (tx) => {
      if (!(await this.sources.findLocked(tx, sync.source.id)))
        throw new Problem('not-found', 'The source has been deleted.');
      const matched = await this.discovery.match(tx, sync.source, findings.certificates, owners);
      await this.record(tx, sync, findings, { matched, owners });
    });
  }

  private async record(
    tx: Tx,
    sync: OpenSync,
    { certificates, endpoints, troubles, position }: Findings,
    { matched, owners }: { matched: Matched; owners: OwnerRelations },
  ): Promise<void> {
    const links = certificates.flatMap(({ location, externalId, owner, logged, facts }) => {
      const certificateId = matched.idOf.get(facts.sha256);
      return certificateId === undefined ? [] : [{ location, certificateId, externalId, owner, logged }];
    });
    // That a log shows a certificate makes nobody its owner.
    const known = links.filter(({ certificateId, logged }) => !logged && !matched.importedIds.includes(certificateId));
    await this.foundOwners.link(tx, sync.source, known, owners);
    const seen = {
      links,
      // One location may have several ports, and each its own certificate.
      endpoints: endpoints.map((seen) => ({
        ...seen,
        certificateId: matched.idOf.get(seen.servedSha256 ?? '') ?? null,
      })),
      unread: troubles,
      unstored: matched.troubles,
    };
    await this.inventory.see(tx, sync, seen, this.clock.now());
    await this.syncs.count(tx, sync.id, {
      certificates: certificates.length,
      imported: matched.importedIds.length,
      endpoints: endpoints.length,
      gone: 0,
      troubles: [...troubles, ...matched.troubles],
    });
    if (position !== null) await this.sources.advance(tx, sync.source.id, position);
  }
}

function locationOf(found: Report): string {
  if (found.kind === 'endpoint') return found.externalId;
  return found.kind === 'position' ? 'the position of the source' : found.location;
}
