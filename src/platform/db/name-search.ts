import type { Tx } from './database.js';

// Finds names by parts of them. Names that were stored together are one row of a search table, one name a line.

/** The search tables: of `domain.name`, and of `certificate.name` in lower case. */
export type SearchTable = 'domain_search' | 'certificate_search';

/** Up to this number of matching names or groups, look groups up; with more, a scan in order fills a page sooner. */
const few = 30_000;

/**
 * In SQL, the ids of the names that match `pattern`, an SQL value for `like` in lower case. An id can be there twice,
 * and a certificate by a former name. A line break in a name or a pattern counts as a space.
 */
export function idsNamed(table: SearchTable, pattern: string): string {
  return `select n.id from ${table} g
    cross join lateral unnest(g.ids, string_to_array(substr(g.lines, 2), E'\\n')) as n(id, line)
    where ${inGroup('g.lines', pattern)} and n.line like ${asLine(pattern)}`;
}

function asLine(pattern: string): string {
  return `translate(${pattern}, E'\\n', ' ')`;
}

function inGroup(lines: string, pattern: string): string {
  return `${lines} like E'%\\n' || ${asLine(pattern)} || E'\\n%'`;
}

/** What statistics are kept on: single names of `domain`, and groups of names of certificates. */
const matching: Readonly<Record<SearchTable, string>> = {
  domain_search: 'select from domain where name like $1',
  certificate_search: `select from certificate_search where ${inGroup('lines', '$1')}`,
};

/** Asks the planner's statistics whether few names match the pattern, in lower case. */
export async function areNamesFew(tx: Tx, table: SearchTable, pattern: string): Promise<boolean> {
  const [row] = await tx.query<[{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }]>(
    `explain (format json) ${matching[table]}`,
    [pattern],
  );
  return row['QUERY PLAN'][0].Plan['Plan Rows'] <= few;
}
