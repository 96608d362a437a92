import { LogExport } from '../audit/log-export.js';
import { LogExportQuery } from '../audit/log.schema.js';
import { validate } from '../platform/http/validate.js';
import { print } from '../platform/terminal.js';
import type { Session } from './session.js';

interface Options {
  format?: string;
  from?: string;
  to?: string;
  filter?: string;
}

/** Its answer is the log itself: JSON lines or CSV, with `--json` too. */
export async function auditExport(session: Session, options: Options): Promise<void> {
  const lines = await session.get(LogExport).lines(session.actor, validate(LogExportQuery, options));
  for await (const text of lines) {
    session.shell.signal.throwIfAborted();
    await print(text);
  }
}
