import type { AuditEvent } from './audit-event.entity.js';
import { logView } from './log.schema.js';

const columns = [
  'id',
  'loggedAt',
  'logType',
  'userId',
  'username',
  'targetType',
  'targetId',
  'address',
  'requestId',
  'before',
  'after',
  'seq',
  'hash',
] as const;

/** The names of the columns, as the first line (RFC 4180). */
export const logCsvHead = `${columns.join(',')}\r\n`;

/**
 * One event as a line. `before` and `after` are JSON; what a spreadsheet would take for a formula is told apart by an
 * apostrophe.
 */
export function logCsv(event: AuditEvent): string {
  const view = logView(event);
  const cells = { ...view, userId: view.user.id, username: view.user.username };
  return `${columns.map((column) => cell(cells[column])).join(',')}\r\n`;
}

function cell(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const inert = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
