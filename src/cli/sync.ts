import { setTimeout as sleep } from 'node:timers/promises';
import { Periodic } from '../jobs/periodic.js';
import { PeriodicRepository } from '../jobs/periodic.repository.js';
import { Clock } from '../platform/clock.js';
import { validate } from '../platform/http/validate.js';
import { SourceQuery, type SourceView, type SyncView } from '../sources/source.schema.js';
import { SourceService } from '../sources/source.service.js';
import { SourceSyncs } from '../sources/source-syncs.js';
import type { Session } from './session.js';
import { counted, table } from './table.js';

interface Options {
  wait: boolean;
}

/** A sync with the label of its source. */
type LabeledSync = SyncView & { source: string };

const pageSize = '200';
const pollMs = 500;
const silenceS = 60;

export async function sync(session: Session, words: string[], { wait }: Options): Promise<void> {
  const { shell } = session;
  const planned = await plan(session, words);
  const items = wait ? await ended(session, planned) : planned;
  if (items.some(({ state }) => state === 'failed')) shell.fail();
  await shell.answer({ items }, wordsOf(items));
  if (shell.json) return;
  const open = items.filter(isOpen).length;
  const rest =
    open === 0
      ? ''
      : `; ${counted(open, 'sync')} not finished. A running program runs them; GET ` +
        '/api/1/sources/{id}/syncs shows their state';
  shell.note(`${counted(items.length, 'source')}${rest}.`);
}

async function plan(session: Session, words: readonly string[]): Promise<LabeledSync[]> {
  const syncs = session.get(SourceSyncs);
  const sources = new Map<number, string>();
  for (const { id, label } of await named(session, words)) sources.set(id, label);
  const items = [];
  for (const [id, source] of sources) items.push({ source, ...(await syncs.sync(session.actor, id)) });
  return items;
}

/** The sources that `words` name by id or label; without words, all active sources. */
async function named({ get }: Session, words: readonly string[]): Promise<SourceView[]> {
  const service = get(SourceService);
  const found: SourceView[] = [];
  for (const word of words)
    found.push(await (/^\d{1,9}$/.test(word) ? service.get(Number(word)) : service.getByLabel(word)));
  if (words.length > 0) return found;
  for (let after: string | undefined = ''; after !== undefined;) {
    const page = await service.list(
      validate(SourceQuery, { count: pageSize, sortBy: 'id', filter: 'active;true', ...(after && { after }) }),
    );
    found.push(...page.items);
    after = page.next;
  }
  return found;
}

/** Waits until all syncs have finished. Throws if no process runs jobs; the syncs then stay planned. */
async function ended(session: Session, planned: readonly LabeledSync[]): Promise<LabeledSync[]> {
  const progress = session.shell.progress('sync', planned.length);
  let items = planned;
  let open = planned.length;
  try {
    while (open > 0) {
      await demandWorker(session);
      await sleep(pollMs, undefined, { signal: session.shell.signal });
      items = await newest(session, items);
      const left = items.filter(isOpen).length;
      progress.advance(open - left);
      open = left;
    }
  } finally {
    progress.stop();
  }
  return [...items];
}

function newest({ get }: Session, items: readonly LabeledSync[]): Promise<LabeledSync[]> {
  const syncs = get(SourceSyncs);
  return Promise.all(items.map(async (item) => (isOpen(item) ? { ...item, ...(await syncs.get(item.id)) } : item)));
}

async function demandWorker({ get, db }: Session): Promise<void> {
  const tasks = await get(PeriodicRepository).list(db.single);
  const newest = Math.max(...tasks.map(({ lastStartedAt }) => lastStartedAt?.getTime() ?? 0));
  const usualS = Math.min(...get(Periodic).intervals.values());
  if (get(Clock).now().getTime() - newest <= Math.max(3 * usualS, silenceS) * 1000) return;
  throw new Error(
    'No process scans sources now. Start the program with PERENNIAL_ROLE all or ' +
      'worker. With --no-wait, this command does not wait for it.',
  );
}

function isOpen({ finishedAt }: LabeledSync): boolean {
  return finishedAt === null;
}

function wordsOf(items: readonly LabeledSync[]): string {
  if (items.length === 0) return '';
  const troubles = items.flatMap(({ source, troubleList }) =>
    troubleList.map(({ location, detail }) => [source, location, detail]),
  );
  return [
    table(
      ['source', 'state', 'found', 'imported', 'stale', 'endpoints', 'troubles', 'detail'],
      items.map((item) => [
        item.source,
        item.state,
        item.certificates,
        item.imported,
        item.gone,
        item.endpoints,
        item.troubles,
        item.detail,
      ]),
    ),
    ...(troubles.length === 0 ? [] : ['', table(['source', 'trouble at', 'detail'], troubles)]),
  ].join('\n');
}
