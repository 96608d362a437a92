import type { Tx } from './database.js';

// Finds names by parts of them. Names that were stored together are one row of a search table, one name a line.

/** The search tables: of `domain.name`, and of `certificate.name` in lower case. */
export type SearchTable = 'domain_search' | 'certificate_search';

/** Up to this number of matching names, look up their groups; with more, a scan in order fills a page sooner. */
const fewNames = 30_000;

/**
 * In SQL, the ids of the names that match `pattern`, an SQL value for `like` in lower case. An id can be there twice,
 * and a certificate by a former name. A line break in a name or a pattern counts as a space.
 */
export function idsNamed(table: SearchTable, pattern: string): string {
  const line = `translate(${pattern}, E'\\n', ' ')`;
  return `select n.id from ${table} g
    cross join lateral unnest(g.ids, string_to_array(substr(g.lines, 2), E'\\n')) as n(id, line)
    where g.lines like E'%\\n' || ${line} || E'\\n%' and n.line like ${line}`;
}

/** Asks the planner's statistics whether few names of certificates match the pattern, in lower case. */
export async function areNamesFew(tx: Tx, pattern: string): Promise<boolean> {
  const [row] = await tx.query<[{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }]>(
    'explain (format json) select from domain where name like $1',
    [pattern],
  );
  return row['QUERY PLAN'][0].Plan['Plan Rows'] <= fewNames;
}
