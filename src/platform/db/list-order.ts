import { type Cursor, encodeCursor } from '../http/cursor.js';
import type { PageQuery } from '../http/page.js';
import { invalid } from '../http/problem.js';
import type { Conditions } from './conditions.js';

/**
 * What a list can be sorted by: an expression that is never null, and its type in Postgres, in which a cursor gives it
 * back. `unique`: no two rows have the same, so that there are no ties.
 */
export interface SortKey {
  sql: string;
  type: 'int' | 'bigint' | 'float8' | 'text' | 'boolean' | 'timestamptz' | 'uuid';
  unique?: true;
}

/** The orders that a list knows, by the name that clients give. `id` is one of them, and breaks ties in all. */
export type SortKeys = Readonly<Record<string, SortKey>> & { readonly id: SortKey };

/** The default order of a list. */
export interface DefaultOrder {
  by: string;
  dir: 'asc' | 'desc';
}

/** A row with what a cursor behind it needs. */
export interface Placed {
  cursorValue: string;
  cursorId: string;
}

/**
 * In which order a list is read and behind which entry. Equal values are told apart by id, so none is skipped or
 * repeated.
 */
export class ListOrder {
  readonly key: SortKey;
  readonly id: SortKey;
  readonly direction: 'asc' | 'desc';
  private readonly name: string;
  private readonly after: Cursor | undefined;

  /** Throws `invalid-request` for a cursor that another order gave out. */
  constructor(
    keys: SortKeys,
    { sortBy, sortDir, after }: Pick<PageQuery, 'sortBy' | 'sortDir' | 'after'>,
    otherwise: DefaultOrder = { by: 'id', dir: 'asc' },
  ) {
    const by = sortBy ?? otherwise.by;
    const key = keys[by];
    if (!key) throw new Error(`The list has no order by ${by}.`);
    this.key = key;
    this.id = keys.id;
    this.direction = sortDir ?? (sortBy === undefined ? otherwise.dir : 'asc');
    this.name = `${by} ${this.direction}`;
    this.after = after;
    if (after && after.order !== this.name)
      throw invalid('after', `This cursor goes with another order than ${this.name}.`);
  }

  /** Behind `order by`. */
  get sql(): string {
    return this.settled
      ? `${this.key.sql} ${this.direction}`
      : `${this.key.sql} ${this.direction}, ${this.id.sql} ${this.direction}`;
  }

  /** What a row is selected with, so that `next` can be given out behind it. */
  get place(): string {
    return `${this.key.sql}::text as "cursorValue", ${this.id.sql}::text as "cursorId"`;
  }

  private get settled(): boolean {
    return this.key === this.id || this.key.unique === true;
  }

  /** Leaves out what stands before the cursor. */
  goOn(where: Conditions): void {
    if (!this.after) return;
    const { key, id } = this;
    const than = this.direction === 'asc' ? '>' : '<';
    const value = `${where.bind(this.after.value)}::${key.type}`;
    where.add(
      this.settled
        ? `${key.sql} ${than} ${value}`
        : `(${key.sql}, ${id.sql}) ${than} (${value}, ${where.bind(this.after.id)}::${id.type})`,
    );
  }

  /** Of rows of which one more than a page was asked for: the page, and the cursor behind it when there is more. */
  page<T extends Placed>(rows: readonly T[], count: number): { items: Omit<T, keyof Placed>[]; next?: string } {
    const items = rows.slice(0, count);
    const last = rows.length > count ? items.at(-1) : undefined;
    return {
      items: items.map(({ cursorValue: _, cursorId: __, ...item }) => item),
      ...(last && { next: encodeCursor({ order: this.name, value: last.cursorValue, id: last.cursorId }) }),
    };
  }
}
