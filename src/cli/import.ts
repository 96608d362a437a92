import { readFile } from 'node:fs/promises';
import { BulkUploadService } from '../certificates/import/bulk-upload.service.js';
import { readFiles } from './import-files.js';
import type { Session } from './session.js';
import { counted, table } from './table.js';

interface Options {
  owner: string;
  authority?: string;
  rotationPolicy?: string;
  passphrases?: string;
  dryRun?: boolean;
}

export async function importFiles(
  session: Session,
  paths: string[],
  { owner, authority, rotationPolicy, passphrases, dryRun = false }: Options,
): Promise<void> {
  const { shell } = session;
  const contents = await readFiles(paths, passphrases === undefined ? [] : await linesOf(passphrases));
  const progress = shell.progress('import', contents.certificates.length);
  const care = {
    owner,
    ...(authority && { authority: { name: authority } }),
    ...(rotationPolicy && { rotationPolicy: { name: rotationPolicy } }),
  };
  const items = await session
    .get(BulkUploadService)
    .import(session.actor, contents, { care, dryRun }, () => progress.advance());
  progress.stop();
  if (items.some(({ outcome }) => outcome === 'failed')) shell.fail();
  const words = table(
    ['file', 'common name', 'outcome', 'id', 'detail'],
    items.map(({ path, cn, outcome, id, detail }) => [path, cn, outcome, id, detail]),
  );
  await shell.answer({ committed: !dryRun, items }, items.length === 0 ? '' : words);
  if (!shell.json)
    shell.note(
      `${counted(contents.certificates.length, 'certificate')} found.` +
        (dryRun ? ' Nothing was imported because of --dry-run.' : ''),
    );
}

async function linesOf(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).split(/\r?\n/).filter((line) => line !== '');
}
