import { Problem } from '../http/problem.js';
import type { Tx } from './database.js';

/** Rows of one table that refer to another row. */
export interface Dependents {
  /** The name of their table. */
  kind: string;
  count: number;
  /** What names them, at most 20, in order. */
  ids: string[];
}

/**
 * Throws Problem `in-use` when something still refers to a row that is to be deleted. `reasons` has the ids by kind.
 * `words` name the row in the message, and `advice` says what to do.
 */
export function refuseInUse(dependents: readonly Dependents[], words: string, advice: string): void {
  const found = dependents.filter(({ count }) => count > 0);
  if (found.length === 0) return;
  const kinds = found.map(({ kind, count }) => `${kind}: ${count}`).join(', ');
  throw new Problem('in-use', `${words} is still needed (${kinds}). ${advice}`, {
    reasons: Object.fromEntries(
      found.map(({ kind, count, ids }) => [
        kind,
        [...ids, ...(count > ids.length ? [`and ${count - ids.length} more`] : [])],
      ]),
    ),
  });
}

/**
 * What refers to a row of `table` and is not deleted with it: each foreign key of the database without a cascade, so
 * that none can be forgotten. Rows are named by what their primary key ends with.
 */
export async function dependentsOf(tx: Tx, table: string, id: number): Promise<Dependents[]> {
  const keys: { kind: string; columns: string[]; name: string }[] = await tx.query(
    `select t.relname as kind, array_agg(a.attname::text order by a.attname) as columns, min(n.attname::text) as name
     from pg_constraint c join pg_class t on t.oid = c.conrelid
     join pg_attribute a on a.attrelid = t.oid and a.attnum = c.conkey[1]
     join pg_index i on i.indrelid = t.oid and i.indisprimary
     join pg_attribute n on n.attrelid = t.oid and n.attnum = i.indkey[i.indnkeyatts - 1]
     where c.confrelid = $1::regclass and c.contype = 'f' and c.confdeltype in ('a', 'r') group by 1 order by 1`,
    [table],
  );
  const found: Dependents[] = [];
  for (const { kind, columns, name } of keys)
    found.push(await countDependents(tx, { kind, name, where: `$1 in (${columns.join(', ')})` }, id));
  return found;
}

/** The rows of the table `kind` that `where` selects by the id `$1`; the column `name` names them. */
export async function countDependents(
  tx: Tx,
  { kind, name, where }: { kind: string; name: string; where: string },
  id: number,
): Promise<Dependents> {
  const [rows] = await tx.query<Omit<Dependents, 'kind'>[]>(
    `select (select count(*)::int from ${kind} where ${where}) as count,
       array(select ${name}::text from ${kind} where ${where} order by ${name} limit 20) as ids`,
    [id],
  );
  return { kind, count: rows?.count ?? 0, ids: rows?.ids ?? [] };
}
