import type { Tx } from './database.js';
import type { Page, PageQuery } from '../http/page.js';
import { invalid } from '../http/problem.js';

/** A list that is small enough to be counted and paged by offset. All texts are SQL of ours, never from a request. */
export interface ListSource {
  /** `select … from …` without `where`. */
  select: string;
  /** The table and its alias alone, to count. */
  from: string;
  /** Columns by the name that clients sort by. `id` is one of them. */
  columns: Readonly<Record<string, string>>;
  /** Conditions on the parameter `$1` by the name that clients filter by; `$1` is the text with `%` around it where the condition says `ilike`. */
  filters: Readonly<Record<string, string>>;
}

/** One page in a stable order. Throws `invalid-request` for a filter that the list does not know. */
export async function listPage<T>(tx: Tx, source: ListSource, query: PageQuery): Promise<Page<T>> {
  const { where, values } = condition(source, query.filter);
  const order = `${source.columns[query.sortBy ?? 'id'] ?? source.columns['id']} ${query.sortDir === 'desc' ? 'desc' : 'asc'}`;
  const items = await tx.query<T[]>(
    `${source.select}${where} order by ${order}, ${source.columns['id']} limit ${query.count} offset ${(query.page - 1) * query.count}`, values);
  const [{ total }] = await tx.query<[{ total: string }]>(`select count(*) as total from ${source.from}${where}`, values);
  return { items, total: Number(total) };
}

function condition({ filters }: ListSource, filter: PageQuery['filter']): { where: string; values: string[] } {
  if (!filter) return { where: '', values: [] };
  const test = Object.hasOwn(filters, filter.field) ? filters[filter.field] : undefined;
  if (!test) throw invalid('filter', `Can be ${Object.keys(filters).join(', ')}`);
  const value = test.includes('ilike') ? `%${filter.value.replace(/[\\%_]/g, '\\$&')}%` : filter.value;
  return { where: ` where ${test}`, values: [value] };
}
