import type { CertificateView } from '../certificates/certificate.view.js';
import { explain } from '../explain.js';
import type { Session } from './session.js';
import { counted, table } from './table.js';
import { certificateTable, row } from './query.js';

/** What is to be done to each of several certificates. */
export interface Deed {
  /** Such as `revoke`; with `done` it makes the sentences. */
  verb: string;
  done: string;
  /** Does it to one and says in a few words what came of it. Throws what stands in the way. */
  act: (certificate: CertificateView) => Promise<string>;
}

/** Shows what would be done or, with `commit`, does it to one after the other; a failure of one does not stop the others. */
export async function each(session: Session, certificates: readonly CertificateView[], deed: Deed, commit = false): Promise<void> {
  const { shell } = session;
  if (!commit) {
    await shell.answer({ committed: false, items: certificates.map(row) }, certificateTable(certificates));
    if (!shell.json) shell.note(`Nothing is done yet: --commit would ${deed.verb} ${counted(certificates.length, 'certificate')}.`);
    return;
  }
  const items = await doAll(session, certificates, deed);
  const failed = items.filter(({ done }) => !done).length;
  if (failed > 0) shell.fail();
  const words = table(['id', 'name', 'outcome'], items.map(({ id, name, done, detail }) => [id, name, done ? detail : `FAILED: ${detail}`]));
  await shell.answer({ committed: true, items }, words);
  if (!shell.json) shell.note(`${counted(items.length - failed, 'certificate')} ${deed.done}, ${failed} failed.`);
}

async function doAll(session: Session, certificates: readonly CertificateView[], { verb, act }: Deed): Promise<{ id: number; name: string; done: boolean; detail: string }[]> {
  const progress = session.shell.progress(verb, certificates.length);
  const items = [];
  for (const certificate of certificates) {
    const outcome = await act(certificate).then((detail) => ({ done: true, detail }), (error: unknown) => ({ done: false, detail: explain(error) }));
    items.push({ id: certificate.id, name: certificate.name, ...outcome });
    progress.advance();
  }
  progress.stop();
  return items;
}
