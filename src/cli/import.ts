import { UploadRequest } from '../certificates/import/upload.schema.js';
import { UploadService } from '../certificates/import/upload.service.js';
import { explain } from '../explain.js';
import { titleOf } from '../pki/certificate.js';
import { toPem } from '../pki/pem.js';
import { Problem } from '../platform/http/problem.js';
import { validate } from '../platform/http/validate.js';
import { privateKeyPem } from '../platform/key-maker.js';
import { type PemContents, type FoundCertificate, readPemFiles } from './pem-files.js';
import type { Session } from './session.js';
import { counted, day, table } from './table.js';

interface Options {
  owner: string;
  authority?: string;
  rotationPolicy?: string;
  dryRun?: boolean;
}

/** The outcome for one certificate or file. */
interface Item {
  path: string;
  cn: string | null;
  outcome: 'imported' | 'known' | 'found' | 'skipped' | 'failed';
  id: number | null;
  detail: string;
}

export async function importFiles(session: Session, paths: string[], options: Options): Promise<void> {
  const { shell } = session;
  const contents = await readPemFiles(paths);
  const items = [
    ...contents.faults.map(unreadable),
    ...contents.authorities.map((found) =>
      itemOf(found, 'skipped', null, 'a CA certificate: imported as part of chains only'),
    ),
    ...(await importAll(session, contents, options)),
  ];
  if (items.some(({ outcome }) => outcome === 'failed')) shell.fail();
  const words = table(
    ['file', 'common name', 'outcome', 'id', 'detail'],
    items.map(({ path, cn, outcome, id, detail }) => [path, cn, outcome, id, detail]),
  );
  await shell.answer({ committed: !options.dryRun, items }, items.length === 0 ? '' : words);
  if (!shell.json)
    shell.note(
      `${counted(contents.certificates.length, 'certificate')} found.` +
        (options.dryRun ? ' Nothing was imported because of --dry-run.' : ''),
    );
}

async function importAll(session: Session, { certificates }: PemContents, options: Options): Promise<Item[]> {
  const progress = session.shell.progress('import', certificates.length);
  const items: Item[] = [];
  for (const found of certificates) {
    items.push(options.dryRun ? itemOf(found, 'found', null, partsOf(found)) : await upload(session, found, options));
    progress.advance();
  }
  progress.stop();
  return items;
}

async function upload(
  session: Session,
  found: FoundCertificate,
  { owner, authority, rotationPolicy }: Options,
): Promise<Item> {
  try {
    const { id } = await session.get(UploadService).upload(
      session.actor,
      validate(UploadRequest, {
        owner,
        body: toPem('CERTIFICATE', found.leaf.der),
        chain: found.chain.map(({ der }) => toPem('CERTIFICATE', der)).join('') || undefined,
        privateKey: found.privateKey && privateKeyPem(found.privateKey),
        ...(authority && { authority: { name: authority } }),
        ...(rotationPolicy && { rotationPolicy: { name: rotationPolicy } }),
      }),
    );
    return itemOf(found, 'imported', id, partsOf(found));
  } catch (error) {
    const known = error instanceof Problem && error.code === 'conflict';
    return itemOf(found, known ? 'known' : 'failed', null, explain(error));
  }
}

function itemOf(
  { path, leaf }: Pick<FoundCertificate, 'path' | 'leaf'>,
  outcome: Item['outcome'],
  id: number | null,
  detail: string,
): Item {
  return { path, cn: titleOf(leaf), outcome, id, detail };
}

function partsOf({ leaf, chain, privateKey }: FoundCertificate): string {
  const key = privateKey ? 'with its key' : 'without its key';
  return `${key}, ${counted(chain.length, 'issuer')}, expires ${day(leaf.notAfter)}`;
}

function unreadable({ path, fault }: PemContents['faults'][number]): Item {
  return { path, cn: null, outcome: 'failed', id: null, detail: fault };
}
