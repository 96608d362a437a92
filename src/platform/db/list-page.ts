import type { Page, PageQuery } from '../http/page.js';
import { Conditions } from './conditions.js';
import type { Tx } from './database.js';
import { applyFilter, type ListFilters } from './list-filter.js';
import { type DefaultOrder, ListOrder, type Placed, type SortKeys } from './list-order.js';

/** A total stops counting here: it is then this number. */
export const mostCounted = 10_001;

/** A list that is read a page at a time. All texts are SQL of ours, never from a request. */
export interface ListSource {
  /** The list between `select` and `from`. */
  columns: string;
  /** The table and its alias. */
  from: string;
  /** Joined to the rows of a page, and not to those that the total counts: gives each row exactly one. */
  details?: string;
  sorts: SortKeys;
  filters: ListFilters;
  /** In the order of the ids unless this says otherwise. */
  order?: DefaultOrder;
}

/**
 * One page in a stable order, by number or behind a cursor. `where` narrows the list further, by parameters that a list
 * has of its own. Throws `invalid-request` for a filter that the list does not know.
 */
export async function listPage<T extends object>(
  tx: Tx,
  source: ListSource,
  query: PageQuery,
  where = new Conditions(),
): Promise<Page<T>> {
  const { columns, from, details = '', sorts, filters } = source;
  applyFilter(where, filters, query.filter);
  const order = new ListOrder(sorts, query, source.order);
  const [{ total }] = await tx.query<[{ total: number }]>(
    `select count(*)::int as total from (select from ${from} where ${where.sql} limit ${mostCounted}) as counted`,
    where.values,
  );
  order.goOn(where);
  const rows = await tx.query<(T & Placed)[]>(
    `select ${columns}, ${order.place} from ${from} ${details} where ${where.sql} order by ${order.sql}
     limit ${query.count + 1} offset ${query.after ? 0 : (query.page - 1) * query.count}`,
    where.values,
  );
  const { items, ...next } = order.page(rows, query.count);
  return { items: items as T[], total, ...next };
}
