import { printableLine } from '../platform/printable.js';
import { importLemur } from '../lemur-import/import-lemur.js';
import type { Note, Report, TableCounts } from '../lemur-import/report.js';
import { environmentValue } from '../platform/process.js';
import { readInput } from '../platform/terminal.js';
import type { Progress } from './progress.js';
import type { Session } from './session.js';
import { counted, day, table } from './table.js';

interface Options {
  database?: string;
  fernetKey?: string[];
  fernetKeyFile?: string;
  dryRun?: boolean;
}

const kinds: Readonly<Record<Note['kind'], string>> = { fault: 'LOST', left: 'not here', changed: 'changed' };
const columns = [
  'rows',
  'imported',
  'merged',
  'updated',
  'unchanged',
  'left',
] as const satisfies readonly (keyof TableCounts)[];

export async function importFromLemur(session: Session, options: Options): Promise<void> {
  const { shell, get, actor } = session;
  const databaseUrl = options.database ?? environmentValue('LEMUR_DATABASE_URL');
  if (databaseUrl === undefined)
    throw new Error("Give the URL of Lemur's database: --database, or LEMUR_DATABASE_URL in the environment.");
  const fernetKeys = await keysOf(options);
  const dryRun = options.dryRun === true;
  let progress: Progress | undefined;
  const report = await importLemur({
    databaseUrl,
    fernetKeys,
    dryRun,
    actor,
    get,
    begin: (certificates) => (progress = shell.progress('certificates', certificates)),
    advance: (certificates) => progress?.advance(certificates),
  }).finally(() => progress?.stop());
  if (report.totals.fault > 0) shell.fail();
  await shell.answer({ committed: !dryRun, ...report.toJSON() }, wordsOf(report));
  if (!shell.json)
    shell.note(
      dryRun ? 'Nothing was imported because of --dry-run.' : 'Done. Another run imports what is new or has changed.',
    );
}

/** Keys from the options, the file and the environment, separated by spaces, line ends or commas. */
async function keysOf({ fernetKey = [], fernetKeyFile }: Options): Promise<string[]> {
  const texts = [
    ...fernetKey,
    fernetKeyFile === undefined ? '' : await readInput(fernetKeyFile),
    environmentValue('LEMUR_ENCRYPTION_KEYS') ?? '',
  ];
  const keys = texts.flatMap((text) => text.split(/[\s,'"[\]]+/)).filter((key) => key !== '');
  if (keys.length === 0)
    throw new Error(
      'Without the Fernet keys of Lemur every private key would be lost. Give --fernet-key-file, ' +
        'or LEMUR_ENCRYPTION_KEYS in the environment.',
    );
  return [...new Set(keys)];
}

function wordsOf(report: Report): string {
  const rows = [...report.tables].map(([name, counts]) => [name, ...columns.map((column) => counts[column])]);
  return [table(['table', ...columns], rows), notesOf(report), renewalsOf(report)]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** One line for all notes with the same text, with the first rows that it concerns. */
function notesOf({ notes }: Report): string {
  const alike = new Map<string, Note[]>();
  for (const note of notes) {
    const key = `${note.kind} ${note.table} ${note.text}`;
    alike.set(key, [...(alike.get(key) ?? []), note]);
  }
  const order = Object.keys(kinds);
  const groups = [...alike.values()].sort(([a], [b]) => order.indexOf(a?.kind ?? '') - order.indexOf(b?.kind ?? ''));
  return groups.length === 0 ? '' : groups.map((group) => lineOf(group)).join('\n');
}

function lineOf(group: readonly Note[]): string {
  const [first] = group as [Note];
  const named = group
    .slice(0, 3)
    .map(({ id, name }) => [name, id === null ? '' : `(${id})`].filter((word) => word !== '').join(' '))
    .filter((word) => word !== '');
  const more = group.length > named.length && named.length > 0 ? ` and ${group.length - named.length} more` : '';
  return printableLine(
    `${kinds[first.kind]}  ${first.table}${named.length > 0 ? ' ' + `${named.join(', ')}${more}` : ''}: ${first.text}`,
  );
}

function renewalsOf({ renewals, renewalCount }: Report): string {
  const days = new Map<string, number>();
  for (const { renewsAt } of renewals) days.set(day(renewsAt), (days.get(day(renewsAt)) ?? 0) + 1);
  const lines = [...days].sort(([a], [b]) => (a < b ? -1 : 1)).map(([when, count]) => [when, count]);
  return renewalCount === 0
    ? ''
    : `${counted(renewalCount, 'certificate')} due for renewal already. No renewal starts ` +
        `within the first day:\n${table(['day', 'renewals'], lines)}`;
}
