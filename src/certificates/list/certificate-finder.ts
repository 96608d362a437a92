import { Injectable } from '@nestjs/common';
import { Conditions } from '../../platform/db/conditions.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { ListOrder, type Placed } from '../../platform/db/list-order.js';
import { mostCounted } from '../../platform/db/list-page.js';
import type { PageQuery } from '../../platform/http/page.js';
import { certificateOrders } from './list.schema.js';
import { inLane, type Lane, type NameSearch, type Selection } from './selection.js';

/** One page: ids in order, how many there are in all (at most 10,001) and the cursor behind it. */
export interface FoundPage {
  ids: number[];
  total: number;
  next?: string;
}

type Row = { id: number } & Placed;
interface Question {
  query: PageQuery;
  selection: Selection;
  order: ListOrder;
  by: string;
}

/**
 * So many names are looked up one by one; a word in more of them is soon met by going through the certificates in
 * order.
 */
const fewNames = 30_000;
/** So many certificates are gone through in order for a word that is in many names. */
const window = 20_000;
/** Beyond so many values, reading each lane by itself costs more than going through all certificates in order. */
const mostLanes = 500;

/**
 * Finds certificates for lists. What is few is found by the index of its condition and then sorted; what is many is met
 * soon by going along the index of the order. So neither a rare nor a common condition makes a page read all
 * certificates.
 */
@Injectable()
export class CertificateFinder {
  constructor(private readonly db: Database) {}

  /** Throws `invalid-request` when it takes too long, or for a cursor of another order. */
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
    question: Question,
  ): Promise<{ items: Omit<Row, keyof Placed>[]; total: number; next?: string }> {
    const { query, selection, order } = question;
    const few =
      selection.isEverything || (await this.isCommon(tx, selection.searches))
        ? null
        : await this.few(tx, question, mostCounted);
    if (few && few.total < mostCounted) return { total: few.total, ...order.page(few.rows, query.count) };
    const total = few?.total ?? (selection.isEverything ? await this.countAll(tx, selection) : mostCounted);
    const met = await this.along(tx, question);
    if (selection.searches.length === 0 || met.length > query.count) return { total, ...order.page(met, query.count) };
    const all = await this.few(tx, question, null);
    return { total: Math.min(all.total, mostCounted), ...order.page(all.rows, query.count) };
  }

  /** The names of the newest certificates of each of these authorities: at most one more than `most`. */
  async newestOfAuthorities(authorityIds: readonly number[], most: number): Promise<Map<number, string[]>> {
    const rows: { id: number; names: string[] }[] = await this.db.single.query(
      `select a.id, array(select c.name from certificate c where c.authority_id = a.id and c.deleted_at is null
        order by c.id desc limit $2) as names from unnest($1::int[]) as a(id)`,
      [authorityIds, most + 1],
    );
    return new Map(rows.map(({ id, names }) => [id, names]));
  }

  /** The planner knows from its statistics how many names hold a word. */
  private async isCommon(tx: Tx, searches: readonly NameSearch[]): Promise<boolean> {
    for (const { pattern } of searches) {
      const [row] = await tx.query<[{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }]>(
        'explain (format json) select from domain where name like $1',
        [pattern],
      );
      if (row['QUERY PLAN'][0].Plan['Plan Rows'] <= fewNames) return false;
    }
    return searches.length > 0;
  }

  /**
   * In an order that only an index which begins with `retired` has: what ended long ago stands together in all the
   * others.
   */
  private async countAll(tx: Tx, { shelves }: Selection): Promise<number> {
    const parts = shelves.map(
      (shelf) => `(select c.id from certificate c where ${shelf} order by c.not_after limit ${mostCounted})`,
    );
    const [{ total }] = await tx.query<[{ total: number }]>(
      `select least(count(*), ${mostCounted})::int as total from (${parts.join(' union all ')}) as counted`,
    );
    return total;
  }

  /** Finds everything by the indexes of its conditions, up to `limit`, then sorts. */
  private async few(tx: Tx, question: Question, limit: number | null): Promise<{ total: number; rows: Row[] }> {
    const { query, selection, order } = question;
    const where = new Conditions();
    const hits = selection.searches
      .map((search, i) => `hit${i} as materialized (${hitsOf(where, search)}),`)
      .join('\n');
    const joins = selection.searches.map((_, i) => `join hit${i} on hit${i}.id = c.id`).join(' ');
    const lanes = selection.lanes.length > 0 ? selection.lanes : [null];
    const parts = selection.shelves.flatMap((shelf) =>
      lanes.map((lane) => {
        const part = conditionsOf(where, selection, [shelf, ...(lane ? [inLane(where, lane)] : [])]);
        return `(select c.id, ${order.key.sql} as key from ${fromOf(selection)} ${joins}
          where ${part}${limit === null ? '' : ` limit ${limit}`})`;
      }),
    );
    const inFound = sameOrder(question);
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

  /** Goes along the index of the order until the page is full. */
  private async along(tx: Tx, question: Question): Promise<Row[]> {
    const { query, selection, order } = question;
    const where = new Conditions();
    const enough = query.count + 1 + (query.after ? 0 : (query.page - 1) * query.count);
    const lanes = selection.lanes.length > 0 ? selection.lanes : [null];
    // One stretch that is in order by itself is read to its page; of several each may hold the whole page.
    const isOne = selection.lanes.length === 0 && waysOf(new Conditions(), question, false).length === 1;
    const parts = lanes.flatMap((lane) => {
      const driven = lane !== null && lane.values.length <= mostLanes;
      const most = selection.searches.length === 0 ? enough : Math.ceil(window / (driven ? lane.values.length : 1));
      return waysOf(where, question, driven).map(({ shelf, inside, outside, behind }) => {
        const own = [shelf, ...(lane ? [driven ? `${lane.column} = lane.value` : inLane(where, lane)] : [])];
        const rows = `select c.id, ${order.key.sql} as key, c.name, c.retired from ${fromOf(selection)}
          where ${conditionsOf(where, selection, own, behind)} order by ${inside} limit ${most}`;
        const from = driven
          ? `unnest(${where.bind(lane.values)}::${typeOf(lane)}[]) as lane(value) cross join lateral (${rows}) as c`
          : `(${rows}) as c`;
        return `(select c.id, c.key from ${from} where ${meets(where, selection.searches)}
          ${driven ? '' : `order by ${outside} ${isOne ? limits(query) : `limit ${enough}`}`})`;
      });
    });
    const together = sameOrder(question);
    return tx.query<Row[]>(
      `select id, ${together.place} from (${parts.join(selection.lanes.length > 1 ? ' union ' : ' union all ')})
        as found
      order by ${together.sql} ${isOne ? '' : limits(query)}`,
      where.values,
    );
  }
}

/**
 * A stretch of an index to go along: its condition, its order on `certificate` and on the rows found, and what leaves
 * out those before the cursor.
 */
interface Way {
  shelf: string;
  inside: string;
  outside: string;
  behind?: ListOrder;
}

/**
 * By id the planner would take the primary key, in which what ended long ago stands together and in the way: only the
 * index that begins with `retired` has the pair of both. Where that is wanted too, the primary key is right.
 */
function waysOf(where: Conditions, question: Question, driven: boolean): Way[] {
  const {
    query: { after },
    selection,
    order,
  } = question;
  const outside = sameOrder(question, 'c.').sql;
  const rest = { inside: order.sql, outside, behind: order };
  if (driven || order.key !== order.id) return selection.shelves.map((shelf) => ({ shelf, ...rest }));
  if (selection.withRetired) return [{ shelf: 'c.deleted_at is null', ...rest }];
  const upwards = order.direction === 'asc';
  const id = after ? `${where.bind(after.id)}::int` : undefined;
  const shelf = `(c.retired, c.id) > (false, ${upwards && id ? id : '0'}) and (c.retired, c.id) < (${!upwards && id ? `false, ${id}` : 'true, 0'})`;
  const both = `c.retired ${order.direction}, c.id ${order.direction}`;
  return [{ shelf, inside: both, outside: both }];
}

/** The same order over rows that have been found, of which only `id` and `key` are known. */
function sameOrder({ query, order: { key, id, direction }, by }: Question, prefix = ''): ListOrder {
  const own = { sql: `${prefix}id`, type: id.type };
  return new ListOrder({ id: own, [by]: key === id ? own : { ...key, sql: `${prefix}key` } }, query, {
    by,
    dir: direction,
  });
}

function limits({ after, count, page }: PageQuery): string {
  return `limit ${count + 1} offset ${after ? 0 : (page - 1) * count}`;
}

function fromOf({ beside }: Selection): string {
  return [
    'certificate c',
    ...beside.map(({ table, alias }) => `join ${table} ${alias} on ${alias}.certificate_id = c.id`),
  ].join(' ');
}

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

function typeOf({ column }: Lane): string {
  return column.endsWith('_id') ? 'int' : 'text';
}

function hitsOf(where: Conditions, { pattern, ownNames }: NameSearch): string {
  const value = where.bind(pattern);
  const named = `select l.certificate_id as id from domain d join certificate_domain l on l.domain_id = d.id
    where d.name like ${value}`;
  return ownNames ? `select id from certificate where lower(name) like ${value} union ${named}` : `${named} group by 1`;
}

/** Looks at the names of one certificate `c`. */
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
