import { Injectable } from '@nestjs/common';
import type { TargetList } from '../plugin-api/source.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { SourceRepository } from './source.repository.js';
import { SourceService } from './source.service.js';
import type { SourceOfTargetsRequest, TargetsRequest, TargetsView } from './source-targets.schema.js';
import { readTargets } from './target-table.js';

/** Rolls back the transaction of a dry run, and carries its outcome. */
class DryRun extends Error {
  constructor(readonly view: TargetsView) {
    super('A dry run stores nothing.');
  }
}

/** Adds the targets of a CSV table to the option of a source that lists what is scanned. */
@Injectable()
export class SourceTargets {
  constructor(
    private readonly db: Database,
    private readonly configured: ConfiguredPlugins,
    private readonly repository: SourceRepository,
    private readonly sources: SourceService,
  ) {}

  /**
   * Adds to a source, which is scanned soon when anything is new. Throws Problem `invalid-request`, and `conflict` when
   * the plugin has no list of targets.
   */
  addTo(actor: Actor, id: number, { csv, dryRun }: TargetsRequest): Promise<TargetsView> {
    return this.tried(dryRun, async (tx) => {
      const row = await this.repository.lock(tx, id);
      const { targets, title } = this.configured.plugin('source', row.pluginId);
      if (!targets) throw new Problem('conflict', `${title} has no list of targets that a table could add to.`);
      // A secret is null here, and stays what it is when it is not named.
      const options = Object.fromEntries(Object.entries(row.options).filter(([, value]) => value !== null));
      const { list, ...merged } = merge(targets, options, csv);
      const { label, description, owner, active, pluginId } = row;
      const plugin = { id: pluginId, options: { ...options, [targets.option]: list } };
      if (merged.added.length > 0)
        await this.sources.change(tx, actor, row, { label, description, owner, active, plugin });
      return { dryRun, sourceId: id, label, ...merged };
    });
  }

  /** Creates a source with these targets, beside those in its options. Throws Problem as `SourceService.create`. */
  create(actor: Actor, { csv, dryRun, ...request }: SourceOfTargetsRequest): Promise<TargetsView> {
    const plugin = this.configured.chosen('source', request.plugin);
    const { targets, title } = plugin;
    if (!targets) throw invalid('plugin.id', `${title} has no list of targets that a table could add to.`);
    const options = this.configured.asked(plugin, request.plugin);
    const { list, ...merged } = merge(targets, options, csv);
    const input = { id: plugin.id, options: { ...options, [targets.option]: list } };
    return this.tried(dryRun, async (tx) => {
      const { id, label } = await this.sources.createIn(tx, actor, { ...request, plugin: input });
      return { dryRun, sourceId: dryRun ? null : id, label, ...merged };
    });
  }

  /** One transaction; a dry run checks everything that a real one does, and then stores nothing. */
  private async tried(dryRun: boolean, work: (tx: Tx) => Promise<TargetsView>): Promise<TargetsView> {
    try {
      return await this.db.write(async (tx) => {
        const view = await work(tx);
        if (dryRun) throw new DryRun(view);
        return view;
      });
    } catch (error) {
      if (error instanceof DryRun) return error.view;
      throw error;
    }
  }
}

/** `list`: all entries of the option from now on. An option that is no list yet is checked when it is stored. */
function merge(
  targets: TargetList,
  options: Readonly<Record<string, unknown>>,
  csv: string,
): Pick<TargetsView, 'lines' | 'added' | 'known'> & { list: string[] } {
  const rows = readTargets(targets, csv);
  const before = options[targets.option] ?? [];
  if (!Array.isArray(before) || before.some((entry) => typeof entry !== 'string'))
    throw invalid(`plugin.options.${targets.option}`, 'Expected a list of texts.');
  const list = targets.add(before as string[], rows);
  const added = list.slice(before.length);
  return { list, lines: rows.length, added, known: rows.length - added.length };
}
