import { validate } from '../platform/http/validate.js';
import { readInput } from '../platform/terminal.js';
import { SourceService } from '../sources/source.service.js';
import { SourceTargets } from '../sources/source-targets.js';
import { SourceOfTargetsRequest, TargetsRequest, type TargetsView } from '../sources/source-targets.schema.js';
import type { Session } from './session.js';
import { counted } from './table.js';

interface Options {
  create?: string;
  owner?: string;
  dryRun?: boolean;
}

export async function addTargets(session: Session, source: string, file: string, options: Options): Promise<void> {
  const { shell } = session;
  const view = await added(session, source, { ...options, csv: await readInput(file) });
  await shell.answer(view, view.added.join('\n'));
  if (!shell.json)
    shell.note(
      `${counted(view.added.length, 'target')} new, ${view.known} known, in ${view.label}.` +
        (view.dryRun ? ' Nothing was stored because of --dry-run.' : ''),
    );
}

async function added(
  { get, actor }: Session,
  source: string,
  { csv, create, owner, dryRun = false }: Options & { csv: string },
): Promise<TargetsView> {
  const [targets, sources] = [get(SourceTargets), get(SourceService)];
  if (create !== undefined && !(await sources.isLabelTaken(source))) {
    const plugin = { id: create, options: {} };
    return targets.create(actor, validate(SourceOfTargetsRequest, { label: source, owner, plugin, csv, dryRun }));
  }
  const id = /^\d{1,9}$/.test(source) ? Number(source) : (await sources.getByLabel(source)).id;
  return targets.addTo(actor, id, validate(TargetsRequest, { csv, dryRun }));
}
