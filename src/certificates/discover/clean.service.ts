import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../../audit/audit.js';
import { Leases } from '../../jobs/lease.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instant, InstantOut } from '../../platform/http/instant.js';
import { Problem } from '../../platform/http/problem.js';
import { SourceRepository } from '../../sources/source.repository.js';
import { type ReadySource, Sources } from '../../sources/sources.js';
import { failureOf, isExpected } from '../failure.js';
import { SourceLinkRepository, type Unused } from './source-link.repository.js';
import { leaseName } from './sync.job.js';
import { limitedTo } from '../../plugin-api/time-limit.js';

/** The certificates that cleaning a source has removed or, in a dry run, would remove. */
export const CleanView = z
  .object({
    dryRun: z.boolean(),
    items: z.array(
      z.object({
        certificateId: z.int(),
        name: z.string(),
        location: z.string(),
        notAfter: InstantOut,
        removed: z.boolean(),
        fault: z.string().nullable(),
        detail: z.string().nullable(),
      }),
    ),
    total: z.int().meta({ description: 'At most 100 at a time; repeat the call until it is 0.' }),
  })
  .meta({ id: 'SourceClean' });
export type CleanView = z.output<typeof CleanView>;
type Item = CleanView['items'][number];

const most = 100;
const timeoutMs = 55_000;
const leaseS = 20;

/** Cleans a source: removes the expired certificates there that no endpoint serves and no delivery uses. */
@Injectable()
export class CleanService {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly leases: Leases,
    private readonly audit: Audit,
    private readonly repository: SourceRepository,
    private readonly sources: Sources,
    private readonly links: SourceLinkRepository,
  ) {}

  /** Throws Problem `conflict` when the plugin cannot remove certificates, and while the source is being scanned. */
  async clean(actor: Actor, id: number, dryRun: boolean): Promise<CleanView> {
    const ready = this.sources.ready(await this.repository.get(this.db.single, id));
    if (!ready.plugin.remove) throw new Problem('conflict', `${ready.plugin.title} cannot remove certificates.`);
    const unused = await this.links.unused(this.db.single, { sourceId: id }, this.clock.now(), most);
    if (dryRun)
      return view(
        true,
        unused.map((one) => item(one, false)),
      );
    const items: Item[] = [];
    const free = await this.leases.withLease(leaseName(id), leaseS, async (lost) => {
      const signal = limitedTo(timeoutMs, lost);
      for (const one of unused) {
        if (signal.aborted) break;
        items.push(await this.remove(actor, ready, one, signal));
      }
    });
    if (!free) throw new Problem('conflict', `The source ${ready.source.label} is being scanned. Clean it afterwards.`);
    return view(false, items);
  }

  private async remove(actor: Actor, ready: ReadySource, one: Unused, signal: AbortSignal): Promise<Item> {
    const { location, certificateId } = one;
    const key = { sourceId: ready.source.id, location, certificateId };
    try {
      // It may be in use again since the list was read.
      const [still] = await this.links.unused(this.db.single, key, this.clock.now(), 1);
      if (still?.sha256 !== one.sha256) return { ...item(one, false), fault: 'refused', detail: 'It is in use again.' };
      await this.sources.remove(ready, { location, sha256: one.sha256 }, signal);
    } catch (error) {
      if (!isExpected(error)) throw error;
      const { fault, detail } = failureOf(error);
      return { ...item(one, false), fault, detail };
    }
    await this.db.write(async (tx) => {
      await this.links.forget(tx, key);
      await this.audit.record(tx, actor, {
        action: 'source.certificate-removed',
        targetType: 'source',
        targetId: key.sourceId,
        after: { certificateId, location },
      });
    });
    return item(one, true);
  }
}

function item({ certificateId, name, location, notAfter }: Unused, removed: boolean): Item {
  return { certificateId, name, location, notAfter: instant(notAfter), removed, fault: null, detail: null };
}

function view(dryRun: boolean, items: Item[]): CleanView {
  return { dryRun, items, total: items.length };
}
