import { escapeUnprintable } from '../platform/printable.js';
import type { LoggedEvent } from './audit-seals.js';
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

/** The header line (RFC 4180). */
export const logCsvHead = `${columns.join(',')}\r\n`;

/**
 * One event as a CSV line. `before` and `after` are JSON. An apostrophe precedes text that a spreadsheet would run as a
 * formula; control and format characters are written as `\u001b`.
 */
export function logCsv(event: LoggedEvent): string {
  const view = logView(event);
  const cells = { ...view, userId: view.user.id, username: view.user.username };
  return `${columns.map((column) => cell(cells[column])).join(',')}\r\n`;
}

function cell(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const plain = escapeUnprintable(text);
  const inert = /^[=+\-@＝＋－＠]/.test(plain) ? `'${plain}` : plain;
  return /[",]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
