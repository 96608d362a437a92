import type { CertificateView } from '../certificates/certificate.schema.js';
import { explain } from '../explain.js';
import type { Session } from './session.js';
import { counted, table } from './table.js';
import { certificateTable, row } from './query.js';

/** An operation on several certificates. */
export interface Operation {
  /** For example `revoke`. */
  verb: string;
  /** The past participle of `verb`: `revoked`. */
  done: string;
  /** Describes the result without changing anything. Throws what would make `run` fail. */
  preview?: (certificate: CertificateView) => Promise<string>;
  /** Applies the operation to one certificate and describes the result. */
  run: (certificate: CertificateView) => Promise<string>;
}

/**
 * Previews the operation or, with `commit`, applies it to one certificate after the other. A failure does not stop the
 * rest.
 */
export async function applyToEach(
  session: Session,
  certificates: readonly CertificateView[],
  operation: Operation,
  commit = false,
): Promise<void> {
  const { shell } = session;
  if (!commit) return showPreview(session, certificates, operation);
  const items = await runAll(session, certificates, operation.verb, operation.run);
  const failed = items.filter(({ done }) => !done).length;
  if (failed > 0) shell.fail();
  const words = table(
    ['id', 'name', 'outcome'],
    items.map(({ id, name, done, detail }) => [id, name, done ? detail : `FAILED: ${detail}`]),
  );
  await shell.answer({ committed: true, items }, words);
  if (!shell.json) shell.note(`${counted(items.length - failed, 'certificate')} ${operation.done}, ${failed} failed.`);
}

async function showPreview(
  session: Session,
  certificates: readonly CertificateView[],
  { verb, preview }: Operation,
): Promise<void> {
  const { shell } = session;
  if (preview) {
    const items = await runAll(session, certificates, verb, preview);
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

async function runAll(
  session: Session,
  certificates: readonly CertificateView[],
  label: string,
  run: Operation['run'],
): Promise<Item[]> {
  const progress = session.shell.progress(label, certificates.length);
  const items = [];
  for (const certificate of certificates) {
    session.shell.signal.throwIfAborted();
    const outcome = await run(certificate).then(
      (detail) => ({ done: true, detail }),
      (error: unknown) => ({ done: false, detail: explain(error) }),
    );
    items.push({ id: certificate.id, name: certificate.name, ...outcome });
    progress.advance();
  }
  progress.stop();
  return items;
}
