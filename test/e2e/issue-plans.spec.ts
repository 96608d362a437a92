import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sqlState } from '../../src/platform/db/database.js';
import { startProgram, type TestProgram } from '../support/program.js';

describe('a statement that stores certificates', () => {
  let program: TestProgram;
  let id: number;
  beforeAll(async () => {
    program = await startProgram({ PERENNIAL_ROLE: 'api' });
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    ({ id } = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'a.example.com',
      authority: { name: 'root' },
      validityDays: 30,
    }));
  });
  afterAll(() => program.stop());

  // For one value Postgres expects a plan that is made for it alone to be cheaper, and would make one each time.
  it.each([
    ['claim_keys', ['from unnest(keys, owners)'], `select * from claim_keys(array['ab'], array['a'], now())`],
    [
      'link_names',
      ['insert into domain ', 'insert into certificate_domain '],
      `select * from link_names(array[$1]::int[], array['a.example.com'])`,
    ],
  ])('%s keeps one plan of each query for all values, also when it has only ever seen one', async (_, texts, sql) => {
    await program.database.source.transaction(async (tx) => {
      for (let time = 0; time < 7; time += 1) await tx.query(sql, sql.includes('$1') ? [id] : []);
      const kept = await tx.query<{ ident: string }[]>(
        `select ident from pg_backend_memory_contexts where name = 'CachedPlan'`,
      );
      expect(texts.filter((text) => !kept.some(({ ident }) => ident.includes(text)))).toEqual([]);
    });
  });

  // A new installation: hardly anything is there, and nobody has analyzed the tables.
  it.each([
    ['claim_keys', 'certificate', `select * from claim_keys(array['ab', 'cd'], array['a', 'b'], now())`],
    ['link_names', 'domain', `select * from link_names(array[$1, $1]::int[], array['a.example.com', 'b.example.com'])`],
  ])('%s reads single rows of the table %s, even when the table is small', async (_, table, sql) => {
    await program.database.source.transaction(async (tx) => {
      await tx.query(sql, sql.includes('$1') ? [id] : []);
      const [{ scans }] = await tx.query<[{ scans: number }]>(
        'select seq_scan::int as scans from pg_stat_xact_user_tables where relname = $1',
        [table],
      );
      expect(scans).toBe(0);
    });
  });

  // The rows that a new certificate refers to without a foreign key.
  it.each([
    'delete from domain',
    'update domain set id = default',
    `update domain set name = 'b.example.com'`,
    'truncate domain cascade',
    'delete from certificate_chain',
    `update certificate_chain set chain_pem = ''`,
    'truncate certificate_chain cascade',
  ])('refers to a row that stays: "%s" is refused', async (sql) => {
    const refused = program.database.source.query(sql).then(() => null, sqlState);
    expect(await refused).toBe('23001');
  });

  it('leaves no links to names when its certificate is deleted', async () => {
    const { source } = program.database;
    const links = (): Promise<unknown[]> =>
      source.query('select from certificate_domain where certificate_id = $1', [id]);
    expect(await links()).not.toEqual([]);
    await source.query('delete from certificate where id = $1', [id]);
    expect(await links()).toEqual([]);
  });
});
