import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import { defineJob } from '../jobs/define-job.js';
import { inBatches } from '../jobs/in-batches.js';
import { Periodic } from '../jobs/periodic.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { SourceRepository } from './source.repository.js';
import { syncView, type SyncView } from './source.schema.js';
import { SourceSyncRepository } from './source-sync.repository.js';

/** Scans a source once. Its handler is with certificates, which it imports. */
export const syncSource = defineJob('source.sync', z.strictObject({ syncId: z.int() }), {
  attempts: 6,
  timeoutS: 3600,
  backoffS: 20,
  concurrency: 2,
});

/** A sync is enqueued again after this time, in case its job was lost. Its run has ended by then. */
export const syncLostMs = (syncSource.policy.timeoutS + 300) * 1000;
const batch = 100;

/** Starts syncs of sources when they are due or on request, and lists them. */
@Injectable()
export class SourceSyncs implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly audit: Audit,
    private readonly sources: SourceRepository,
    private readonly repository: SourceSyncRepository,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('source-syncs', this.config.sweepIntervalS, (signal, report) =>
      inBatches({ db: this.db, signal, report }, { kind: 'syncs', most: batch }, (tx, most) => this.startDue(tx, most)),
    );
    this.periodic.onSetBack((tx, step) => this.sources.setBack(tx, step));
  }

  /** Starts a sync now, also of an inactive source. Returns the planned or running sync when there is one. */
  async sync(actor: Actor, id: number): Promise<SyncView> {
    const syncId = await this.db.write(async (tx) => {
      await this.sources.lock(tx, id);
      const [planned = 0] = await this.plan(tx, [id]);
      await this.audit.record(tx, actor, {
        action: 'source.sync-requested',
        targetType: 'source',
        targetId: id,
        after: { syncId: planned },
      });
      return planned;
    });
    return this.get(syncId);
  }

  /** Throws Problem `not-found`, also when the source has had fifty newer syncs since. */
  async get(id: number): Promise<SyncView> {
    const sync = await this.repository.find(this.db.single, id);
    if (!sync) throw new Problem('not-found', `There is no sync ${id}.`);
    return syncView(sync);
  }

  async list(sourceId: number, query: PageQuery): Promise<Page<SyncView>> {
    await this.sources.get(this.db.single, sourceId);
    const page = await this.repository.listOf(this.db.single, sourceId, query);
    return { ...page, items: page.items.map(syncView) };
  }

  /** Enqueues a sync for each source. Returns their ids, also of syncs that were planned or running before. */
  private async plan(tx: Tx, sourceIds: readonly number[]): Promise<number[]> {
    const syncIds = await this.repository.plan(tx, sourceIds, this.clock.now());
    await syncSource.enqueueMany(
      tx,
      syncIds.map((syncId) => ({ data: { syncId } })),
    );
    return syncIds;
  }

  private async startDue(tx: Tx, limit: number): Promise<number> {
    const now = this.clock.now();
    const due = await this.sources.takeDue(tx, now, { again: new Date(now.getTime() + syncLostMs), limit });
    await this.plan(tx, due);
    return due.length;
  }
}
