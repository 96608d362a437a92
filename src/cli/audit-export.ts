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

/** Prints the audit log as JSON lines or CSV. `--json` changes nothing. */
export async function auditExport(session: Session, options: Options): Promise<void> {
  const lines = await session.get(LogExport).lines(session.actor, validate(LogExportQuery, options));
  for await (const text of lines) {
    session.shell.signal.throwIfAborted();
    await print(text);
  }
}
