import { type DataSource, TableColumn } from 'typeorm';
import type { ColumnMetadata } from 'typeorm/metadata/ColumnMetadata.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrations } from '../../migrations/index.js';
import { entities } from '../../src/app.entities.js';
import { Database, sqlState } from '../../src/platform/db/database.js';
import { migrate } from '../../src/platform/db/data-source.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.js';

const search = 'made by triggers, from names that are inserted together';
const pair = 'nothing but two ids, read and written in sets by the repository of the first';

/** Tables that no entity describes, and why. */
const withoutEntity: Record<string, string> = {
  migration: 'kept by TypeORM itself',
  key_holder: 'written and read by one statement each',
  crl: 'its octets are read and written in parts, by the repository of CRLs',
  notice_layout: 'one row, read and written by one statement each',
  crl_part: 'a part of the octets of a CRL',
  revoked_certificate: 'read in slices of thousands, by its repository',
  job_lane: 'counted by the statement that takes jobs',
  kept_facts: 'one row, a version that triggers raise',
  revocation_version: 'one row, a version that triggers raise',
  lease: 'taken and given back by one statement each',
  clock_watch: 'one row, the last look at the clock',
  clock_step_back: 'a row while a step back of the clock is followed',
  periodic_task: 'started and finished by one statement each',
  domain_policy: 'one row, a version that is raised by one statement',
  domain_search: search,
  domain: 'names are inserted in sets, so that concurrent requests do not wait for one another',
  used_sign_in_state: 'taken by one statement',
  federated_role: 'read and written in sets by the repository of identities',
  legacy_row: 'a ledger, written and read in sets by its repository',
  authority_role: pair,
  destination_role: pair,
  certificate_chain: 'kept by a function of the database, and read with certificates',
  certificate_domain: pair,
  certificate_fetch: 'written and read by one statement each',
  certificate_replacement: pair,
  certificate_role: pair,
  certificate_search: search,
  certificate_subscription: pair,
  next_notice: 'planned in sets, by the repositories of subscriptions and warnings',
  renewal_info: 'written and read by one statement each',
  renewal_start: 'counted, and written in sets, by the repository of limits',
  renewal_wait: 'written and read in sets, by its repository',
  rotation_limit: 'read and replaced as a whole, by its repository',
  rotation_pause: 'read with what it holds, by its repository',
  revocation_check: 'written and read by one statement each',
  imported_crl: 'written and read by one statement each',
  still_served: 'one statement claims what to tell',
  certificate_run: 'read with the counts of its items, by its repository',
  certificate_run_item: 'written in sets of thousands, by the repository of runs',
  source_certificate: 'what a source reports is written in sets, a batch at a time',
};

/** One column, as a line that both sides can be brought into: `certificate.not_after timestamptz not null`. */
type ColumnLine = string;

function lineOf(table: string, column: string, type: string, nullable: boolean): ColumnLine {
  return `${table}.${column} ${type} ${nullable ? 'null' : 'not null'}`;
}

async function columnsOfDatabase(source: DataSource): Promise<ColumnLine[]> {
  const rows = await source.query<{ table: string; column: string; type: string; nullable: boolean }[]>(`
    select c.table_name as table, c.column_name as column, c.is_nullable = 'YES' as nullable,
           format_type(a.atttypid, a.atttypmod) as type
    from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
    join pg_attribute a on a.attrelid = format('%I.%I', c.table_schema, c.table_name)::regclass
    and a.attname = c.column_name
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE'`);
  return rows.map((row) => lineOf(row.table, row.column, row.type, row.nullable));
}

/**
 * Postgres itself brings the types that the entities ask for into the words of format_type(): it makes a table of them.
 */
async function columnsOfEntities(source: DataSource): Promise<ColumnLine[]> {
  const lines: ColumnLine[] = [];
  for (const { tableName, columns } of source.entityMetadatas) {
    const stored = columns.filter((column) => !column.isVirtualProperty);
    const types = await typesOf(source, stored);
    lines.push(
      ...stored.map(({ databaseName, isNullable }, i) =>
        lineOf(tableName, databaseName, types[i] ?? 'unknown', isNullable),
      ),
    );
  }
  return lines;
}

async function typesOf(source: DataSource, columns: ColumnMetadata[]): Promise<string[]> {
  const asked = columns.map((column, i) => `c${i} ${source.driver.createFullType(tableColumnOf(source, column))}`);
  return source.transaction(async (tx) => {
    await tx.query(`create temporary table asked (${asked.join()}) on commit drop`);
    const rows = await tx.query<{ type: string }[]>(`
      select format_type(atttypid, atttypmod) as type from pg_attribute
        where attrelid = 'asked'::regclass and attnum > 0 order by attnum`);
    return rows.map(({ type }) => type);
  });
}

function tableColumnOf({ driver }: DataSource, column: ColumnMetadata): TableColumn {
  const { length, precision, scale, isArray } = column;
  return new TableColumn({
    name: column.databaseName,
    type: driver.normalizeType(column),
    length,
    precision,
    scale,
    isArray,
  });
}

/** Everything that a migration can make in the schema, but not what extensions bring with them. */
async function objectsOf(source: DataSource): Promise<string[]> {
  const rows = await source.query<{ name: string }[]>(`
    select 'relation ' || relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind <> 'i'
      and relname not like 'migration%'
    union all select 'index ' || indexdef from pg_indexes where schemaname = 'public' and tablename <> 'migration'
    union all select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
      where connamespace = 'public'::regnamespace and conrelid <> 'migration'::regclass
    union all select 'type ' || typname from pg_type where typnamespace = 'public'::regnamespace
    and typtype in ('e', 'd')
    union all select 'function ' || p.oid::regprocedure from pg_proc p where pronamespace = 'public'::regnamespace
      and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    union all select 'trigger ' || tgname from pg_trigger where not tgisinternal
    order by 1`);
  return rows.map(({ name }) => name);
}

describe('the schema', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await createEmptyDatabase(entities);
    await migrate(test.source);
  });
  afterAll(() => test.drop());

  it('has exactly the columns that the entities have', async () => {
    const ofEntities = await columnsOfEntities(test.source);
    const tables = new Set(test.source.entityMetadatas.map(({ tableName }) => tableName));
    const tableOf = (line: ColumnLine): string => line.slice(0, line.indexOf('.'));
    const ofDatabase = (await columnsOfDatabase(test.source)).filter(
      (line) => tables.has(tableOf(line)) || !(tableOf(line) in withoutEntity),
    );
    expect(ofDatabase.sort()).toEqual(ofEntities.sort());
  });

  it('has no entity for the tables that are listed as without one, and has each of them', async () => {
    const tables = new Set((await columnsOfDatabase(test.source)).map((line) => line.slice(0, line.indexOf('.'))));
    const described = test.source.entityMetadatas.map(({ tableName }) => tableName);
    expect(Object.keys(withoutEntity).filter((table) => !tables.has(table) || described.includes(table))).toEqual([]);
  });

  it('is removed by the down of all migrations, and is the same after they run again', async () => {
    const [objects, columns] = [await objectsOf(test.source), await columnsOfDatabase(test.source)];
    expect(objects.length).toBeGreaterThan(migrations.length);
    for (let left = migrations.length; left > 0; left -= 1) await test.source.undoLastMigration({ transaction: 'all' });
    expect(await objectsOf(test.source)).toEqual([]);
    await migrate(test.source);
    expect(await objectsOf(test.source)).toEqual(objects);
    expect((await columnsOfDatabase(test.source)).sort()).toEqual(columns.sort());
  });
});

describe('Database', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await createTestDatabase([]);
    await test.source.query('create table account (id integer primary key, balance integer not null)');
    await test.source.query('insert into account values (1, 0), (2, 0)');
  });
  afterAll(() => test.drop());

  it('lets both of two transactions succeed that ran into a deadlock', async () => {
    const gate = meeting(2);
    const failures: unknown[] = [];
    const runs: string[] = [];
    const transfer = (first: number, second: number): Promise<void> =>
      test.db.write(async (tx) => {
        runs.push(`${first} then ${second}`);
        await tx.query('update account set balance = balance + 1 where id = $1', [first]);
        // Each holds its first row before either asks for its second; a repeated run finds the gate open.
        await gate();
        await tx.query('update account set balance = balance + 1 where id = $1', [second]).catch((error: unknown) => {
          failures.push(sqlState(error));
          throw error;
        });
      });
    await Promise.all([transfer(1, 2), transfer(2, 1)]);
    expect(failures).toEqual(['40P01']);
    expect(runs).toHaveLength(3);
    expect(await test.source.query('select balance from account order by id')).toEqual([
      { balance: 2 },
      { balance: 2 },
    ]);
  });

  it('does not repeat a transaction after another failure', async () => {
    let runs = 0;
    const failing = test.db.write(async (tx) => {
      runs += 1;
      await tx.query('insert into account values (1, 0)');
    });
    await expect(failing).rejects.toThrow('duplicate key');
    expect(runs).toBe(1);
  });

  it('rolls back what was written before a failure', async () => {
    const failing = test.db.write(async (tx) => {
      await tx.query('insert into account values (3, 0)');
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await test.source.query('select 1 from account where id = 3')).toEqual([]);
  });

  it('fails a write inside of read', async () => {
    const failure = await test.db
      .read((tx) => tx.query('insert into account values (4, 0)'))
      .then(() => null, sqlState);
    expect(failure).toBe('25006');
  });

  it('reads from one snapshot', async () => {
    const counts = await test.db.read(async (tx) => {
      const count = async (): Promise<number> => (await tx.query<unknown[]>('select 1 from account')).length;
      const before = await count();
      await new Database(test.source).write((other) => other.query('insert into account values (5, 0)'));
      return [before, await count()];
    });
    expect(counts[0]).toBe(counts[1]);
  });
});

/** A function that resolves for everyone once `size` callers have come. */
function meeting(size: number): () => Promise<void> {
  let [arrived, open] = [0, (): void => undefined];
  const opened = new Promise<void>((resolve) => (open = resolve));
  return async () => {
    arrived += 1;
    if (arrived >= size) open();
    await opened;
  };
}
