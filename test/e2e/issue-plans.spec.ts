import type { Client } from 'pg';
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

  // For arrays with one member, PostgreSQL expects a plan for just these values to be cheaper.
  it.each([
    ['claim_keys', `select * from claim_keys(array['ab'], array['a'], now())`],
    ['link_names', `select * from link_names(array[$1]::int[], array['a.example.com'])`],
  ])('%s plans its queries no more after some calls, also when each was for one value', async (_, sql) => {
    await program.database.source.transaction(async (tx) => {
      const connection = (await tx.queryRunner?.connect()) as Client;
      const planned: string[] = [];
      const listen = ({ message = '', where = '' }: { message?: string; where?: string }): void => {
        if (message === 'plan:' && where.includes('PL/pgSQL function')) planned.push(where);
      };
      connection.on('notice', listen);
      const call = (): Promise<unknown> => tx.query(sql, sql.includes('$1') ? [id] : []);
      await tx.query('discard plans; set local client_min_messages = log; set local debug_print_plan = on');
      await call();
      expect(planned).not.toEqual([]);
      for (let time = 0; time < 7; time += 1) await call();
      planned.length = 0;
      await call();
      connection.off('notice', listen);
      expect(planned).toEqual([]);
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
