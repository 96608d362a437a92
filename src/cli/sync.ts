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

/** A look at a source as it is shown: with the name of the source. */
type Look = SyncView & { source: string };

const pageSize = '200';
const pollMs = 500;
const silenceS = 60;

export async function sync(session: Session, words: string[], { wait }: Options): Promise<void> {
  const { shell } = session;
  const planned = await plan(session, words);
  const looks = wait ? await ended(session, planned) : planned;
  if (looks.some(({ state }) => state === 'failed')) shell.fail();
  await shell.answer({ items: looks }, wordsOf(looks));
  if (shell.json) return;
  const open = looks.filter(isOpen).length;
  const rest =
    open === 0
      ? ''
      : `; ${counted(open, 'look')} to come, which a running program takes: GET ` +
        '/api/1/sources/{id}/syncs shows how it goes';
  shell.note(`${counted(looks.length, 'source')}${rest}.`);
}

async function plan(session: Session, words: readonly string[]): Promise<Look[]> {
  const syncs = session.get(SourceSyncs);
  const sources = new Map<number, string>();
  for (const { id, label } of await named(session, words)) sources.set(id, label);
  const looks = [];
  for (const [id, source] of sources) looks.push({ source, ...(await syncs.sync(session.actor, id)) });
  return looks;
}

/** Those that the words name by id or label; without words, all that are active. */
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

/** Waits until all have ended. Throws when no process is there that does the work: they stay planned. */
async function ended(session: Session, planned: readonly Look[]): Promise<Look[]> {
  const progress = session.shell.progress('sync', planned.length);
  let looks = planned;
  let open = planned.length;
  try {
    while (open > 0) {
      await demandWorker(session);
      await sleep(pollMs, undefined, { signal: session.shell.signal });
      looks = await newest(session, looks);
      const left = looks.filter(isOpen).length;
      progress.advance(open - left);
      open = left;
    }
  } finally {
    progress.stop();
  }
  return [...looks];
}

function newest({ get }: Session, looks: readonly Look[]): Promise<Look[]> {
  const syncs = get(SourceSyncs);
  return Promise.all(looks.map(async (look) => (isOpen(look) ? { ...look, ...(await syncs.get(look.id)) } : look)));
}

async function demandWorker({ get, db }: Session): Promise<void> {
  const tasks = await get(PeriodicRepository).list(db.single);
  const newest = Math.max(...tasks.map(({ lastStartedAt }) => lastStartedAt.getTime()));
  const usualS = Math.min(...get(Periodic).intervals.values());
  if (get(Clock).now().getTime() - newest <= Math.max(3 * usualS, silenceS) * 1000) return;
  throw new Error(
    'No process looks at sources now: start the program with PERENNIAL_ROLE all or ' +
      'worker, which will. With --no-wait, this is no fault.',
  );
}

function isOpen({ finishedAt }: Look): boolean {
  return finishedAt === null;
}

function wordsOf(looks: readonly Look[]): string {
  if (looks.length === 0) return '';
  const troubles = looks.flatMap(({ source, troubleList }) =>
    troubleList.map(({ location, detail }) => [source, location, detail]),
  );
  return [
    table(
      ['source', 'state', 'found', 'imported', 'unlinked', 'endpoints', 'troubles', 'detail'],
      looks.map((look) => [
        look.source,
        look.state,
        look.certificates,
        look.imported,
        look.gone,
        look.endpoints,
        look.troubles,
        look.detail,
      ]),
    ),
    ...(troubles.length === 0 ? [] : ['', table(['source', 'trouble at', 'detail'], troubles)]),
  ].join('\n');
}
