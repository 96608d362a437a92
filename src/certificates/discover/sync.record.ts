import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import type { Source } from '../../sources/source.entity.js';
import { SourceRepository } from '../../sources/source.repository.js';
import type { OpenSync } from '../../sources/source-sync.entity.js';
import { SourceSyncRepository } from '../../sources/source-sync.repository.js';
import { failureOf } from '../failure.js';
import { SourceInventory } from './source-inventory.js';
import { StillServed } from './still-served.js';

const mostListed = 100;
const nothingMissed = { goneIds: [], troubles: [] };

/** Stores the start and the outcome of a sync, at the sync and at its source. */
@Injectable()
export class SyncRecord {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly sources: SourceRepository,
    private readonly syncs: SourceSyncRepository,
    private readonly inventory: SourceInventory,
    private readonly stillServed: StillServed,
    private readonly audit: Audit,
  ) {}

  /** The source of an unfinished sync; null when the sync is finished or its source is deleted. */
  async sourceOf(syncId: number): Promise<Source | null> {
    const sync = await this.syncs.find(this.db.single, syncId);
    return sync && sync.finishedAt === null ? this.sources.find(this.db.single, sync.sourceId) : null;
  }

  /** Starts the sync. Null when it is finished already. */
  async begin(syncId: number, source: Source): Promise<OpenSync | null> {
    const startedAt = this.clock.now();
    return (await this.syncs.begin(this.db.single, syncId, startedAt)) ? { id: syncId, source, startedAt } : null;
  }

  /** After a complete scan: what it and the one before have not seen is stale, unless the source reports news alone. */
  async finish(sync: OpenSync, reports: 'present' | 'news' = 'present'): Promise<void> {
    const { id, source: opened } = sync;
    await this.db.write(async (tx) => {
      const source = await this.sources.findLocked(tx, opened.id);
      if (!source) return;
      const now = this.clock.now();
      const { goneIds, troubles } =
        reports === 'news' ? nothingMissed : await this.inventory.noteMissed(tx, { ...sync, source }, now);
      await this.stillServed.tell(tx, sync);
      const gone = goneIds.length;
      await this.syncs.count(tx, id, { certificates: 0, imported: 0, endpoints: 0, gone, troubles });
      await this.syncs.finish(tx, { id, sourceId: source.id }, now);
      source.recordSync(now);
      await this.sources.save(tx, source);
      if (gone === 0) return;
      await this.audit.record(tx, systemActor(''), {
        action: 'source.certificates-gone',
        targetType: 'source',
        targetId: source.id,
        after: { syncId: id, count: gone, certificateIds: goneIds.slice(0, mostListed) },
      });
    });
  }

  /** After an incomplete scan: the stored findings stay, and no certificate counts as gone. */
  async failed({ id, source: { id: sourceId } }: OpenSync, error: unknown): Promise<void> {
    await this.db.write(async (tx) => {
      const source = await this.sources.findLocked(tx, sourceId);
      if (!source) return;
      const [now, failure] = [this.clock.now(), failureOf(error)];
      await this.syncs.finish(tx, { id, sourceId }, now, failure);
      await this.stillServed.tell(tx, { id, source });
      source.recordFailure(failure, now);
      await this.sources.save(tx, source);
    });
  }
}
