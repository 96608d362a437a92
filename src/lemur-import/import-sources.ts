import { Config } from '../platform/config.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { pollSeconds } from '../sources/source.service.js';
import { SourceRepository } from '../sources/source.repository.js';
import { OwnerName } from '../roles/role-name.js';
import { type LemurPlugin, sources, users } from './lemur-rows.js';
import { pluginOf } from './plugin-options.js';
import { freeLabel, type Run, type Step, type Taken } from './run.js';

const table = sources.name;

/**
 * Imports sources by slug, inactive, with an owner: check the owner and this machine's credentials before switching a
 * source on. A scan then matches findings with the imported certificates.
 */
export async function importSources(run: Run): Promise<void> {
  const rows = await run.parts.lemur.all(sources);
  const links = await run.parts.lemur.count('certificate_source_associations');
  await run.step(async (step) => {
    const { tx, report } = step;
    const known = await run.legacy.known(tx, 'source');
    const labels = new Set((await run.parts.get(SourceRepository).labels(tx)).map((label) => label.toLowerCase()));
    const owner = await ownerOf(run);
    const taken: Taken[] = [];
    report.count(table, 'rows', rows.length);
    for (const row of rows) {
      if (known.has(row.id)) report.count(table, 'unchanged');
      else taken.push(...(await take(run, step, row, { labels, owner })));
    }
    await run.remember(step, 'source', taken);
    if (links === 0) return;
    report.count('certificate_source_associations', 'rows', links);
    report.count('certificate_source_associations', 'left', links);
    report.note({
      kind: 'left',
      table: 'certificate_source_associations',
      id: null,
      name: '',
      text: 'Source contents are not imported: the next scan finds them.',
    });
  });
}

async function take(
  run: Run,
  step: Step,
  row: LemurPlugin,
  { labels, owner }: { labels: Set<string>; owner: string },
): Promise<Taken[]> {
  const stored = pluginOf(run, step, 'source', table, row);
  if (!stored) return [];
  const configured = run.parts.get(ConfiguredPlugins);
  const pollS = pollSeconds(configured.open(configured.plugin('source', stored.pluginId), stored, 'source'));
  const wished = row.label?.trim() || `source ${row.id}`;
  const label = freeLabel(wished, labels);
  const { id } = await run.parts.get(SourceRepository).add(step.tx, {
    label,
    description: row.description,
    owner,
    active: false,
    ...stored,
    creatorId: null,
    position: null,
    pollS,
    lastRunAt: null,
    nextRunAt: null,
    attempts: 0,
    fault: null,
    faultDetail: null,
    createdAt: run.parts.now,
  });
  step.report.count(table, 'imported');
  step.report.note({
    kind: 'changed',
    table,
    id: row.id,
    name: wished,
    text:
      'It is not scanned until it is switched on (PUT /sources). Findings without an ' + `owner belong to ${owner}.`,
  });
  return [{ legacyId: row.id, id, name: label }];
}

/** The security team, else the first user of Lemur: Lemur's sources have no owner. */
async function ownerOf({ parts: { get, lemur } }: Run): Promise<string> {
  const [team] = get(Config).securityTeamEmail ?? [];
  const people = (await lemur.all(users))
    .map(({ email }) => OwnerName.safeParse(email).data)
    .filter((email) => email !== undefined);
  return team ?? people[0] ?? 'nobody@lemur.invalid';
}
