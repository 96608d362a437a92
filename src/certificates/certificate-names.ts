import type { Tx } from '../platform/db/database.js';
import { escapeLike } from '../platform/db/list-filter.js';
import { idsNamed } from '../platform/db/name-search.js';

/**
 * In SQL, the ids of the certificates whose name in lower case matches `pattern`, an SQL value for `like`. An id can be
 * there twice.
 */
export function certificatesNamed(pattern: string): string {
  return `select c.id from (${idsNamed('certificate_search', pattern)}) as found join certificate c on c.id = found.id
    where lower(c.name) like ${pattern}`;
}

/** The names of certificates that are one of `names`, or begin with `start`, ignoring case. */
export async function takenNames(tx: Tx, names: readonly string[], start: string): Promise<Set<string>> {
  const rows: { name: string }[] = await tx.query(
    `select name from certificate where name = any($1) or id = any(array(${certificatesNamed('$2')}))`,
    [names, `${escapeLike(start.toLowerCase())}%`],
  );
  return new Set(rows.map((row) => row.name));
}
