import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { authorityChanged } from '../authorities/authority-changed.js';
import { Authorities } from '../authorities/authorities.js';
import { keyTagsOf } from '../authorities/issuing-keys.js';
import { publicationOf, urlFor } from '../authorities/public-urls.js';
import { defineJob } from '../jobs/define-job.js';
import { Jobs } from '../jobs/job-runner.js';
import { defineLane } from '../jobs/lane.js';
import { Periodic } from '../jobs/periodic.js';
import type { TaskReport } from '../jobs/task-report.js';
import { PluginError } from '../plugin-api/errors.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import { CrlMaker } from './crl-maker.js';
import { CrlRepository, type KnownList } from './crl.repository.js';
import { RevokedRepository } from './revoked.repository.js';

/** A list whose job was lost, or failed for good, is due again after this time. */
const againMs = 5 * 60_000;
/** Revocations within this time go into one new list. */
const gatherS = 1;

/** A list of so many entries is made while no other one is made anywhere: it takes memory, and time of the database. */
const largeEntries = 100_000;
/** After a list has been made, the next one waits a second for so many entries, at most `longestBreakS`. */
const entriesPerS = 500_000;
const longestBreakS = 30;

/** The lists of one authority: a CA with many shards leaves room for others. */
const crlLane = defineLane('crl', { atOnce: 2 });
/** Large lists, of all authorities. */
const largeLane = defineLane('crl-large', { atOnce: 1 });

/** Makes a CRL anew. */
const makeCrl = defineJob('crl.make', z.strictObject({ crlId: z.int() }), {
  attempts: 5,
  timeoutS: 300,
  backoffS: 5,
  concurrency: 2,
});

/** Has lists made after the commit, as soon as possible, or `afterS` later. */
export async function enqueueCrls(
  tx: Tx,
  lists: readonly KnownList[],
  afterS: (list: KnownList) => number = () => 0,
): Promise<void> {
  await makeCrl.enqueueMany(
    tx,
    lists.map((list) => ({
      data: { crlId: list.id },
      lane: list.entries >= largeEntries ? largeLane.of('all') : crlLane.of(list.authorityId),
      afterS: afterS(list),
    })),
  );
}

/** Has the lists that hold a certificate made within seconds. */
export async function listAnew(tx: Tx, lists: readonly KnownList[], now: Date): Promise<void> {
  await enqueueCrls(tx, lists, (list) => breakS(list, now));
}

/**
 * Seconds until a list is made anew after a revocation: one list takes up many revocations, and a large one does not
 * keep the database busy all the time.
 */
export function breakS({ entries, thisUpdate }: Pick<KnownList, 'entries' | 'thisUpdate'>, now: Date): number {
  const sinceS = thisUpdate === null ? 0 : Math.max(0, (now.getTime() - thisUpdate.getTime()) / 1000);
  return Math.max(gatherS, Math.min(entries / entriesPerS, longestBreakS) - sinceS);
}

/** Which lists an authority has. */
@Injectable()
export class CrlLists {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly repository: CrlRepository,
    private readonly revoked: RevokedRepository,
  ) {}

  /**
   * Adds the lists that the options of an authority ask for, and has all of its lists made anew. Throws PluginError
   * when its issuer cannot be used.
   */
  async ensure(authorityId: number): Promise<void> {
    const loaded = await this.authorities.get(authorityId);
    const publication = publicationOf(loaded);
    if (!publication) return;
    const { crl, crlShards } = publication;
    const shards = [null, ...Array.from({ length: crlShards }, (_, shard) => shard)];
    const keys = await this.authorities.keysOf(authorityId);
    const lists = keys.flatMap((key) => {
      const { keyId } = key;
      const [tag = '', ...others] = keyTagsOf(key);
      // Whoever asks for the list of all accepts one without a distribution point.
      return shards.map((shard) => {
        const named = [tag, ...others].flatMap((keyTag) => crl.map((url) => urlFor(url, { keyTag, shard })));
        const urls = shard === null ? [] : [...new Set(named)];
        return { keyId, keyTag: tag, shard, urls };
      });
    });
    const now = this.clock.now();
    const soon = new Date(now.getTime() + againMs);
    await this.db.write(async (tx) => {
      await this.repository.ensure(tx, authorityId, lists, soon);
      if (crlShards > 0) await this.revoked.assignShards(tx, authorityId, crlShards, now);
      await enqueueCrls(tx, await this.repository.of(tx, authorityId));
    });
  }
}

/** Makes CRLs when something is revoked, when their authority changes, and well before their end. */
@Injectable()
export class CrlJob implements OnModuleInit {
  private readonly logger = new Logger('crl');

  constructor(
    private readonly jobs: Jobs,
    private readonly periodic: Periodic,
    private readonly config: Config,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly maker: CrlMaker,
    private readonly lists: CrlLists,
    private readonly repository: CrlRepository,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(makeCrl, ({ crlId }, { signal }) => this.make(crlId, signal));
    this.jobs.handle(authorityChanged, ({ authorityId }) => this.lists.ensure(authorityId));
    this.periodic.everyTick('crl', this.config.sweepIntervalS, (signal, report) => this.sweep(signal, report));
  }

  /** A failure is stored with the list, and tried again. */
  private async make(id: number, signal: AbortSignal): Promise<void> {
    try {
      await this.maker.make(id, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const detail = error instanceof PluginError ? error.detail : 'The CRL could not be made; the log says why.';
      if (!(error instanceof PluginError)) this.logger.error(error);
      await this.repository.setFault(this.db.single, id, detail);
      throw error;
    }
  }

  private async sweep(signal: AbortSignal, report: TaskReport): Promise<void> {
    const now = this.clock.now();
    for (const id of await this.repository.withoutList(this.db.single, now)) {
      signal.throwIfAborted();
      await this.lists.ensure(id).catch((error: unknown) => {
        this.logger.warn(error);
        report.failed(`authority ${id}`, error);
      });
    }
    const taken = await this.db.write(async (tx) => {
      const due = await this.repository.takeDue(tx, now, new Date(now.getTime() + againMs));
      await enqueueCrls(tx, due);
      return due.length;
    });
    report.count('lists', taken);
  }
}
