import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { JobContext } from '../../jobs/define-job.js';
import { isTimeout } from '../../jobs/interruption.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Leases } from '../../jobs/lease.js';
import { Postponed } from '../../jobs/postponed.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Report } from '../../plugin-api/source.js';
import type { Source } from '../../sources/source.entity.js';
import { type ReadySource, Sources } from '../../sources/sources.js';
import type { OpenSync } from '../../sources/source-sync.entity.js';
import { syncSource } from '../../sources/source-syncs.js';
import { isCutOff, isExpected } from '../failure.js';
import { FindingStore } from './finding-store.js';
import { SyncRecord } from './sync.record.js';

const batchSize = 250;
/** Shorter than the lease of a run, so that the run that takes over from a dead worker finds the source free. */
const leaseS = 20;

/** Handles the job of a sync: scans one source under a lease, and stores its reports in batches. */
@Injectable()
export class SyncJob implements OnModuleInit {
  private readonly logger = new Logger('discover');

  constructor(
    private readonly jobs: Jobs,
    private readonly sources: Sources,
    private readonly record: SyncRecord,
    private readonly store: FindingStore,
    private readonly leases: Leases,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(syncSource, ({ syncId }, context) => this.run(syncId, context));
  }

  private async run(syncId: number, { signal }: JobContext): Promise<void> {
    const source = await this.record.sourceOf(syncId);
    if (!source) return;
    const free = await this.leases.withLease(leaseName(source.id), leaseS, (lost) =>
      this.sync(syncId, source, { signal: AbortSignal.any([signal, lost]), run: signal }),
    );
    if (!free) throw new Postponed(`Another process is scanning or cleaning the source ${source.label}.`, leaseS);
  }

  private async sync(
    syncId: number,
    source: Source,
    { signal, run }: { signal: AbortSignal; run: AbortSignal },
  ): Promise<void> {
    const sync = await this.record.begin(syncId, source);
    if (!sync) return;
    try {
      const ready = this.sources.ready(sync.source);
      await this.scan(sync, ready, signal);
      await this.record.finish(sync, ready.plugin.reports);
    } catch (error) {
      // A retry would take as long. The source shows the failure, and is scanned again when it is due.
      if (isTimeout(run))
        return this.record.failed(sync, new PluginError('unavailable', (run.reason as Error).message));
      if (isCutOff(signal, error)) throw error;
      if (!isExpected(error)) this.logger.error(error);
      await this.record.failed(sync, error);
    }
  }

  private async scan(sync: OpenSync, ready: ReadySource, signal: AbortSignal): Promise<void> {
    const batch: Report[] = [];
    // One batch is stored while the next one is found.
    let storing = Promise.resolve();
    try {
      for await (const found of this.sources.scan(ready, signal)) {
        batch.push(found);
        if (batch.length < batchSize) continue;
        signal.throwIfAborted();
        await storing;
        storing = this.store.store(sync, batch.splice(0));
        storing.catch(() => undefined);
      }
    } finally {
      await storing;
      // The reports before a failure are stored too.
      if (!signal.aborted && batch.length > 0) await this.store.store(sync, batch);
    }
  }
}

/** The name of the lease that scanning and cleaning a source need. */
export function leaseName(sourceId: number): string {
  return `source:${sourceId}`;
}
