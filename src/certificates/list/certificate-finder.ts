import { Injectable } from '@nestjs/common';
import { Conditions } from '../../platform/db/conditions.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { ListOrder, type Placed } from '../../platform/db/list-order.js';
import { mostCounted } from '../../platform/db/list-page.js';
import { areNamesFew, idsNamed } from '../../platform/db/name-search.js';
import type { PageQuery } from '../../platform/http/page.js';
import { certificatesNamed } from '../certificate-names.js';
import { certificateOrders } from './list.schema.js';
import { isInSet, type ValueSet, type NameSearch, type Selection } from './selection.js';

/** One page: ids in order, the total (at most 10,001) and the cursor of the next page. */
export interface FoundPage {
  ids: number[];
  total: number;
  next?: string;
}

type Row = { id: number } & Placed;
/** A search: the query, its selection and its order. `by` is the name of the sort key. */
interface Search {
  query: PageQuery;
  selection: Selection;
  order: ListOrder;
  by: string;
}

/** The number of certificates to scan in order for a text that many names contain. */
const window = 20_000;
/** With more values in a set, one scan of all certificates in order is cheaper than one scan for each value. */
const mostValues = 500;

/**
 * Finds the ids of one page of certificates. A selective condition is served by its own index, and the result is
 * sorted. A common condition is served by a scan along the index of the sort key, which soon fills the page. So no page
 * reads all certificates.
 */
@Injectable()
export class CertificateFinder {
  constructor(private readonly db: Database) {}

  /** Throws `invalid-request` if the search takes too long, or if the cursor belongs to another order. */
  async find(query: PageQuery, selection: Selection, sortedBy: 'id' | 'notAfter' = 'id'): Promise<FoundPage> {
    const by = query.sortBy ?? sortedBy;
    const order = new ListOrder(
      certificateOrders,
      query,
      sortedBy === 'id' ? { by: 'id', dir: 'desc' } : { by: sortedBy, dir: 'asc' },
    );
    const { items, ...rest } = await this.db.search((tx) => this.rows(tx, { query, selection, order, by }));
    return { ids: items.map((row) => row.id), ...rest };
  }

  private async rows(
    tx: Tx,
    search: Search,
  ): Promise<{ items: Omit<Row, keyof Placed>[]; total: number; next?: string }> {
    const { query, selection, order } = search;
    const few =
      selection.isEverything || (await this.isCommon(tx, selection.searches))
        ? null
        : await this.searchByConditions(tx, search, mostCounted);
    if (few && few.total < mostCounted) return { total: few.total, ...order.page(few.rows, query.count) };
    const total = few?.total ?? (selection.isEverything ? await this.countAll(tx, selection) : mostCounted);
    const met = await this.scanInOrder(tx, search);
    if (selection.searches.length === 0 || met.length > query.count) return { total, ...order.page(met, query.count) };
    const all = await this.searchByConditions(tx, search, null);
    return { total: Math.min(all.total, mostCounted), ...order.page(all.rows, query.count) };
  }

  /** Names of the newest certificates by authority: up to `most` + 1, so that the caller can tell if there are more. */
  async newestOfAuthorities(authorityIds: readonly number[], most: number): Promise<Map<number, string[]>> {
    const rows: { id: number; names: string[] }[] = await this.db.single.query(
      `select a.id, array(select c.name from certificate c where c.authority_id = a.id and c.deleted_at is null
        order by c.id desc limit $2) as names from unnest($1::int[]) as a(id)`,
      [authorityIds, most + 1],
    );
    return new Map(rows.map(({ id, names }) => [id, names]));
  }

  private async isCommon(tx: Tx, searches: readonly NameSearch[]): Promise<boolean> {
    for (const { pattern, ownNames } of searches) {
      const isRare =
        (await areNamesFew(tx, 'domain_search', pattern)) &&
        // The name of an issuer, say, is in no domain, and in the default name of each of its certificates.
        (!ownNames || (await areNamesFew(tx, 'certificate_search', pattern)));
      if (isRare) return false;
    }
    return searches.length > 0;
  }

  /**
   * Counts in an order that only an index on `retired` has; other indexes would scan all retired certificates first.
   */
  private async countAll(tx: Tx, { partitions }: Selection): Promise<number> {
    const parts = partitions.map(
      (partition) => `(select c.id from certificate c where ${partition} order by c.not_after limit ${mostCounted})`,
    );
    const [{ total }] = await tx.query<[{ total: number }]>(
      `select least(count(*), ${mostCounted})::int as total from (${parts.join(' union all ')}) as counted`,
    );
    return total;
  }

  /** Collects up to `limit` certificates by the indexes of the conditions, then sorts. */
  private async searchByConditions(
    tx: Tx,
    search: Search,
    limit: number | null,
  ): Promise<{ total: number; rows: Row[] }> {
    const { query, selection, order } = search;
    const where = new Conditions();
    const hits = selection.searches.map((name, i) => `hit${i} as materialized (${hitsOf(where, name)}),`).join('\n');
    const joins = selection.searches.map((_, i) => `join hit${i} on hit${i}.id = c.id`).join(' ');
    const valueSets = selection.valueSets.length > 0 ? selection.valueSets : [null];
    const parts = selection.partitions.flatMap((partition) =>
      valueSets.map((set) => {
        const part = conditionsOf(where, selection, [partition, ...(set ? [isInSet(where, set)] : [])]);
        return `(select c.id, ${order.key.sql} as key from ${fromOf(selection)} ${joins}
          where ${part}${limit === null ? '' : ` limit ${limit}`})`;
      }),
    );
    const inFound = sameOrder(search);
    const behind = new Conditions(where.values);
    inFound.goOn(behind);
    const [{ total, rows }] = await tx.query<[{ total: number; rows: Row[] }]>(
      `with ${hits} found as materialized (${parts.join(' union ')})
       select (select count(*)::int from found) as total, coalesce((select json_agg(page) from (
         select id, ${inFound.place} from found where ${behind.sql}
           order by ${inFound.sql} ${limits(query)}) as page), '[]') as rows`,
      where.values,
    );
    return { total: Math.min(total, limit ?? total), rows };
  }

  /** Scans the index of the sort key until the page is full. */
  private async scanInOrder(tx: Tx, search: Search): Promise<Row[]> {
    const { query, selection, order } = search;
    const where = new Conditions();
    const enough = query.count + 1 + (query.after ? 0 : (query.page - 1) * query.count);
    const valueSets = selection.valueSets.length > 0 ? selection.valueSets : [null];
    // A single range is already in order, so that it can skip to its page. Of several, each may hold the whole page.
    const isOne = selection.valueSets.length === 0 && rangesOf(new Conditions(), search, false).length === 1;
    const parts = valueSets.flatMap((set) => {
      const driven = set !== null && set.values.length <= mostValues;
      const most = selection.searches.length === 0 ? enough : Math.ceil(window / (driven ? set.values.length : 1));
      return rangesOf(where, search, driven).map(({ partition, inside, outside, behind }) => {
        const own = [partition, ...(set ? [driven ? `${set.column} = wanted.value` : isInSet(where, set)] : [])];
        const rows = `select c.id, ${order.key.sql} as key, c.name, c.retired from ${fromOf(selection)}
          where ${conditionsOf(where, selection, own, behind)} order by ${inside} limit ${most}`;
        const from = driven
          ? `unnest(${where.bind(set.values)}::${typeOf(set)}[]) as wanted(value) cross join lateral (${rows}) as c`
          : `(${rows}) as c`;
        return `(select c.id, c.key from ${from} where ${meets(where, selection.searches)}
          ${driven ? '' : `order by ${outside} ${isOne ? limits(query) : `limit ${enough}`}`})`;
      });
    });
    const together = sameOrder(search);
    return tx.query<Row[]>(
      `select id, ${together.place} from (${parts.join(selection.valueSets.length > 1 ? ' union ' : ' union all ')})
        as found
      order by ${together.sql} ${isOne ? '' : limits(query)}`,
      where.values,
    );
  }
}

/**
 * A range of an index to scan: its condition, its order on `certificate` (`inside`) and on the found rows (`outside`),
 * and the order whose cursor limits it.
 */
interface IndexRange {
  partition: string;
  inside: string;
  outside: string;
  behind?: ListOrder;
}

/**
 * The ranges to scan. For order by id, a condition on the pair (`retired`, id) forces the index that begins with
 * `retired`: along the primary key the scan would read all retired certificates. With retired ones, the primary key is
 * right.
 */
function rangesOf(where: Conditions, search: Search, driven: boolean): IndexRange[] {
  const {
    query: { after },
    selection,
    order,
  } = search;
  const outside = sameOrder(search, 'c.').sql;
  const rest = { inside: order.sql, outside, behind: order };
  if (driven || order.key !== order.id) return selection.partitions.map((partition) => ({ partition, ...rest }));
  if (selection.withRetired) return [{ partition: 'c.deleted_at is null', ...rest }];
  const upwards = order.direction === 'asc';
  const id = after ? `${where.bind(after.id)}::int` : undefined;
  const lower = upwards && id ? `false, ${id}` : 'false, 0';
  const upper = !upwards && id ? `false, ${id}` : 'true, 0';
  const partition = `(c.retired, c.id) > (${lower}) and (c.retired, c.id) < (${upper})`;
  const both = `c.retired ${order.direction}, c.id ${order.direction}`;
  return [{ partition, inside: both, outside: both }];
}

/** The same order over the found rows, which have only `id` and `key`. */
function sameOrder({ query, order: { key, id, direction }, by }: Search, prefix = ''): ListOrder {
  const own = { sql: `${prefix}id`, type: id.type };
  return new ListOrder({ id: own, [by]: key === id ? own : { ...key, sql: `${prefix}key` } }, query, {
    by,
    dir: direction,
  });
}

function limits({ after, count, page }: PageQuery): string {
  return `limit ${count + 1} offset ${after ? 0 : (page - 1) * count}`;
}

/** SQL: the table of certificates `c`, and the tables that the selection joins. */
function fromOf({ beside }: Selection): string {
  return [
    'certificate c',
    ...beside.map(({ table, alias }) => `join ${table} ${alias} on ${alias}.certificate_id = c.id`),
  ].join(' ');
}

/** SQL: the conditions of the selection, and these of the caller. With `order`, only rows behind its cursor. */
function conditionsOf(
  where: Conditions,
  { terms, beside }: Selection,
  own: readonly string[],
  order?: ListOrder,
): string {
  const part = new Conditions(where.values);
  for (const sql of own) part.add(sql);
  for (const term of terms) term(part);
  for (const { on, value } of beside) part.add(on, value);
  order?.goOn(part);
  return part.sql;
}

function typeOf({ column }: ValueSet): string {
  return /[._]id$/.test(column) ? 'int' : 'text';
}

/** SQL: the ids of the certificates whose names match a search. */
function hitsOf(where: Conditions, { pattern, ownNames }: NameSearch): string {
  const value = where.bind(pattern);
  const named = `select l.certificate_id as id from (${idsNamed('domain_search', value)}) as d
    join certificate_domain l on l.domain_id = d.id`;
  return ownNames ? `${certificatesNamed(value)} union ${named}` : `${named} group by 1`;
}

/** SQL: whether the names of one certificate `c` match all searches. */
function meets(where: Conditions, searches: readonly NameSearch[]): string {
  const part = new Conditions(where.values);
  for (const { pattern, ownNames } of searches) {
    const named =
      'exists (select from certificate_domain l join domain d on d.id = l.domain_id ' +
      'where l.certificate_id = c.id and d.name like ?)';
    part.add(ownNames ? `(lower(c.name) like ? or ${named})` : named, pattern);
  }
  return part.sql;
}
