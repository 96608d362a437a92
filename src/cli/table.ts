import Table from 'cli-table3';
import { printableLine } from '../platform/printable.js';
import { terminalWidth } from '../platform/terminal.js';

const bare = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
} as const;

type Cell = string | number | boolean | null | undefined;

/** Rows under their headings, as plain lines without borders, for grep and awk. Cut to the width of the terminal. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const grid = new Table({
    head: head.map((title) => title.toUpperCase()),
    chars: bare,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  grid.push(...rows.map((row) => row.map((cell) => printableLine(String(cell ?? '')))));
  const width = terminalWidth();
  return grid
    .toString()
    .split('\n')
    .map((line) => (width === null ? line.trimEnd() : line.trimEnd().slice(0, width)))
    .join('\n');
}

/** `2026-11-21`, in UTC. */
export function day(moment: string | Date): string {
  return (typeof moment === 'string' ? moment : moment.toISOString()).slice(0, 10);
}

/** `1 certificate`, `2 certificates`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
