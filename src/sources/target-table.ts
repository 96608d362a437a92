import { z } from 'zod';
import type { TargetList } from '../plugin-api/source.js';
import { type CsvRecord, readCsv } from '../platform/csv.js';
import { issueText } from '../platform/http/issue-text.js';
import { Problem } from '../platform/http/problem.js';
import { cut } from '../platform/text.js';
import { mostLines } from './source-targets.schema.js';

/** One less than an answer has of one field: the last text counts the rest. */
const mostFaults = 99;
const longestWord = 60;

/**
 * The lines of a CSV text as the rows that a plugin takes. Names of columns and cells are trimmed. Throws Problem
 * `invalid-request` that names each line that is wrong (the first 99).
 */
export function readTargets({ row }: TargetList, csv: string): z.output<TargetList['row']>[] {
  const { records, fault } = readCsv(csv);
  const [head, ...lines] = records;
  const faults: string[] = [];
  const columns = (head?.fields ?? []).map((name) => name.trim().toLowerCase());
  if (!head && !fault) throw refusal(['Line 1: It has no columns.']);
  if (head) faults.push(...columnFaults(head, columns, row));
  if (faults.length > 0) throw refusal(faults);
  if (lines.length > mostLines) throw refusal([`It has ${lines.length} lines; at most ${mostLines} are allowed.`]);
  const rows = lines.flatMap((line) => {
    const read = readLine(line, columns, row);
    if (Array.isArray(read)) faults.push(...read.map((text) => `Line ${line.line}: ${text}`));
    return Array.isArray(read) ? [] : [read];
  });
  if (fault) faults.push(`Line ${fault.line}: ${fault.detail} The lines after it were not read.`);
  if (faults.length === 0 && rows.length === 0) throw refusal(['It has no line below the names of the columns.']);
  if (faults.length > 0) throw refusal(faults);
  return rows;
}

function columnFaults({ line }: CsvRecord, columns: readonly string[], { shape }: z.ZodObject): string[] {
  const known = Object.keys(shape);
  const required = Object.entries(shape as Record<string, z.ZodType>)
    .filter(([, column]) => !column.safeParse(undefined).success)
    .map(([name]) => name);
  const unknown = columns.filter((name) => !known.includes(name));
  return [
    ...unknown.map((name) => `There is no column "${cut(name, longestWord)}"; there are ${known.join(', ')}.`),
    ...columns.filter((name, at) => columns.indexOf(name) !== at).map((name) => `The column ${name} is there twice.`),
    ...required.filter((name) => !columns.includes(name)).map((name) => `The column ${name} is missing.`),
  ].map((text) => `Line ${line}: ${text}`);
}

/** The row, or what is wrong with the line. */
function readLine(
  { fields }: CsvRecord,
  columns: readonly string[],
  row: z.ZodObject,
): z.output<TargetList['row']> | string[] {
  if (fields.length !== columns.length) return [`It has ${fields.length} fields; there are ${columns.length} columns.`];
  const cells = columns.map((name, at) => [name, (fields[at] ?? '').trim()]).filter(([, cell]) => cell !== '');
  const read = row.safeParse(Object.fromEntries(cells), { error: issueText });
  return read.success ? read.data : read.error.issues.map(({ path, message }) => [...path, message].join(': '));
}

function refusal(faults: readonly string[]): Problem {
  const shown = faults.slice(0, mostFaults);
  const rest = faults.length - shown.length;
  if (rest > 0) shown.push(`… and ${rest} more.`);
  return new Problem('invalid-request', shown[0] ?? '', { reasons: { csv: shown } });
}
