import type { CertificateView } from '../certificates/certificate.schema.js';
import { explain } from '../explain.js';
import type { Session } from './session.js';
import { counted, table } from './table.js';
import { certificateTable, row } from './query.js';

/** What is to be done to each of several certificates. */
export interface Deed {
  /** Such as `revoke`; with `done` it makes the sentences. */
  verb: string;
  done: string;
  /** Says what would come of it, where that is more than the verb. Throws what would stand in the way. */
  preview?: (certificate: CertificateView) => Promise<string>;
  /** Does it to one and says in a few words what came of it. Throws what stands in the way. */
  act: (certificate: CertificateView) => Promise<string>;
}

/**
 * Shows what would be done or, with `commit`, does it to one after the other; a failure of one does not stop the
 * others.
 */
export async function each(
  session: Session,
  certificates: readonly CertificateView[],
  deed: Deed,
  commit = false,
): Promise<void> {
  const { shell } = session;
  if (!commit) return foretell(session, certificates, deed);
  const items = await forAll(session, certificates, deed.verb, deed.act);
  const failed = items.filter(({ done }) => !done).length;
  if (failed > 0) shell.fail();
  const words = table(
    ['id', 'name', 'outcome'],
    items.map(({ id, name, done, detail }) => [id, name, done ? detail : `FAILED: ${detail}`]),
  );
  await shell.answer({ committed: true, items }, words);
  if (!shell.json) shell.note(`${counted(items.length - failed, 'certificate')} ${deed.done}, ${failed} failed.`);
}

async function foretell(
  session: Session,
  certificates: readonly CertificateView[],
  { verb, preview }: Deed,
): Promise<void> {
  const { shell } = session;
  if (preview) {
    const items = await forAll(session, certificates, verb, preview);
    await shell.answer(
      { committed: false, items },
      table(
        ['id', 'name', 'what would happen'],
        items.map(({ id, name, done, detail }) => [id, name, done ? detail : `NOTHING: ${detail}`]),
      ),
    );
  } else {
    await shell.answer({ committed: false, items: certificates.map(row) }, certificateTable(certificates));
  }
  if (!shell.json)
    shell.note(`Nothing is done yet: --commit would ${verb} ${counted(certificates.length, 'certificate')}.`);
}

interface Item {
  id: number;
  name: string;
  done: boolean;
  detail: string;
}

async function forAll(
  session: Session,
  certificates: readonly CertificateView[],
  label: string,
  act: Deed['act'],
): Promise<Item[]> {
  const progress = session.shell.progress(label, certificates.length);
  const items = [];
  for (const certificate of certificates) {
    session.shell.signal.throwIfAborted();
    const outcome = await act(certificate).then(
      (detail) => ({ done: true, detail }),
      (error: unknown) => ({ done: false, detail: explain(error) }),
    );
    items.push({ id: certificate.id, name: certificate.name, ...outcome });
    progress.advance();
  }
  progress.stop();
  return items;
}
