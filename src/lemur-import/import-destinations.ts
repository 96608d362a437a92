import { DestinationRepository } from '../destinations/destination.repository.js';
import { ExportSteps } from '../destinations/export-step.js';
import { noHook } from '../destinations/hooks.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { destinations, type LemurPlugin } from './lemur-rows.js';
import { pluginOf } from './plugin-options.js';
import { freeLabel, type Run, type Step, type Taken } from './run.js';

const table = destinations.name;

/** Imports destinations by slug, and seals their secrets, which Lemur stores in the clear. Labels are unique here. */
export async function importDestinations(run: Run): Promise<void> {
  const rows = await run.parts.lemur.all(destinations);
  await run.step(async (step) => {
    const known = await run.legacy.known(step.tx, 'destination');
    const labels = new Set(
      (await run.parts.get(DestinationRepository).labels(step.tx)).map((label) => label.toLowerCase()),
    );
    const taken: Taken[] = [];
    step.report.count(table, 'rows', rows.length);
    for (const row of rows) {
      if (known.has(row.id)) step.report.count(table, 'unchanged');
      else taken.push(...(await take(run, step, row, labels)));
    }
    await run.remember(step, 'destination', taken);
  });
}

const unverified = { verifyAt: [], verifyName: null, repush: false };

async function take(run: Run, step: Step, row: LemurPlugin, labels: Set<string>): Promise<Taken[]> {
  const stored = pluginOf(run, step, 'destination', table, row);
  if (!stored) return [];
  const wished = row.label?.trim() || `destination ${row.id}`;
  const label = freeLabel(wished, labels);
  if (label !== wished)
    step.report.note({
      kind: 'changed',
      table,
      id: row.id,
      name: wished,
      text: `Another destination has this label; it was renamed to ${label}.`,
    });
  const plugin = run.parts.get(ConfiguredPlugins).plugin('destination', stored.pluginId);
  const made = run.parts.get(ExportSteps).seal(plugin, null, stored.secretId);
  const { id } = await run.parts
    .get(DestinationRepository)
    // In Lemur everyone may deliver to every destination.
    .add(step.tx, {
      label,
      description: row.description,
      ...stored,
      ...made,
      ...unverified,
      ...noHook,
      open: true,
      createdAt: run.parts.now,
    });
  step.report.count(table, 'imported');
  return [{ legacyId: row.id, id, name: label }];
}
