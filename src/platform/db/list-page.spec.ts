import { describe, expect, it } from 'vitest';
import type { Tx } from './database.js';
import { listPage } from './list-page.js';

describe('a page of a list', () => {
  it('joins the details to its rows, and not to the rows that its total counts', async () => {
    const asked: string[] = [];
    const query = async (sql: string): Promise<object[]> => {
      asked.push(sql);
      return sql.includes('count(*)') ? [{ total: 0 }] : [];
    };
    const source = {
      columns: 'r.id, n.parts',
      from: 'thing r',
      details: 'cross join lateral (select 1 as parts) n',
      sorts: { id: { sql: 'r.id', type: 'int' } },
      filters: {},
    } as const;
    const page = await listPage({ query } as unknown as Tx, source, { page: 1, count: 10 });
    expect(page).toMatchObject({ items: [], total: 0 });
    expect(asked.map((sql) => sql.includes(source.details))).toEqual([false, true]);
  });
});
