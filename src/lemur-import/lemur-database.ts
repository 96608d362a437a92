import { holdsPrivateKey } from '../pki/private-key-text.js';
import { Snapshot } from '../platform/db/snapshot.js';
import { snake } from '../platform/db/snake-naming.js';
import type { LemurTable } from './lemur-rows.js';

/** Rows per read. */
const batch = 250;

/** Two columns of an association table. */
export interface Association {
  table: string;
  of: string;
  to: string;
}

/** A Lemur database of any version: missing tables and columns read as empty. */
export class LemurDatabase {
  /** Rows whose description contained a private key. */
  readonly disclosed = new Map<string, { table: string; id: number }>();

  private constructor(
    private readonly snapshot: Snapshot,
    private readonly columns: ReadonlyMap<string, ReadonlySet<string>>,
    readonly name: string,
  ) {}

  /** Throws when the database cannot be read or is not Lemur's. */
  static async open(url: string): Promise<LemurDatabase> {
    const snapshot = await Snapshot.open(url);
    const found = await snapshot.rows<{ name: string; columns: string[] }>(
      `select table_name::text as name, array_agg(column_name::text) as columns from information_schema.columns
        where table_schema = any(current_schemas(false)) group by 1`,
    );
    const [{ name = '' } = {}] = await snapshot.rows<{ name: string }>('select current_database()::text as name');
    const lemur = new LemurDatabase(
      snapshot,
      new Map(found.map((table) => [table.name, new Set(table.columns)])),
      name,
    );
    const missing = ['certificates', 'authorities', 'users', 'roles'].filter((table) => !lemur.has(table));
    if (missing.length === 0) return lemur;
    await lemur.close();
    throw new Error(`That is not a Lemur database: it has no table ${missing.join(', ')}.`);
  }

  close(): Promise<void> {
    return this.snapshot.close();
  }

  has(table: string, ...columns: readonly string[]): boolean {
    const known = this.columns.get(table);
    return known !== undefined && columns.every((column) => known.has(column));
  }

  async count(table: string, where = 'true'): Promise<number> {
    if (!this.has(table)) return 0;
    const [row] = await this.snapshot.rows<{ count: number }>(
      `select count(*)::int as count from ${table} where ${where}`,
    );
    return row?.count ?? 0;
  }

  /** All rows, ordered by id. For tables that fit into memory. */
  async all<Row extends { id: number }>(table: LemurTable<Row>, where = 'true'): Promise<Row[]> {
    if (!this.has(table.name)) return [];
    const rows = await this.snapshot.rows<Row>(
      `select ${this.selection(table)} from ${table.name} where ${where} order by id`,
    );
    return rows.map((row) => this.withoutKeys(table, row));
  }

  /** All rows, ordered by id, in batches. */
  async *batches<Row extends { id: number }>(table: LemurTable<Row>, where = 'true'): AsyncGenerator<Row[]> {
    for (let after = -1, rows: Row[] = []; ; after = rows.at(-1)?.id ?? after) {
      rows = await this.snapshot.rows<Row>(
        `select ${this.selection(table)} from ${table.name} where id > $1 and (${where}) order by id limit ${batch}`,
        [after],
      );
      if (rows.length > 0) yield rows.map((row) => this.withoutKeys(table, row));
      if (rows.length < batch) return;
    }
  }

  /** The associated ids of each of these ids, in order. */
  async linked({ table, of, to }: Association, ids: readonly number[]): Promise<Map<number, number[]>> {
    const rows = this.has(table, of, to)
      ? await this.snapshot.rows<{ id: number; ids: number[] }>(
          `select ${of} as id, array_agg(distinct ${to} order by ${to}) as ids from ${table}
            where ${of} = any($1) and ${to} is not null group by 1`,
          [ids],
        )
      : [];
    return new Map(rows.map((row) => [row.id, row.ids]));
  }

  /** The certificates among these that another one replaces which is neither revoked nor deleted. */
  async replaced(ids: readonly number[]): Promise<Set<number>> {
    if (!this.has('certificate_replacement_associations')) return new Set();
    const dead = this.has('certificates', 'status', 'deleted')
      ? `n.status is distinct from 'revoked' and n.deleted is not true`
      : 'true';
    const rows = await this.snapshot.rows<{ id: number }>(
      `select distinct r.replaced_certificate_id as id from certificate_replacement_associations r
        join certificates n on n.id = r.certificate_id
       where r.replaced_certificate_id = any($1) and r.certificate_id <> r.replaced_certificate_id and ${dead}`,
      [ids],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** The owners of certificates, lower case. */
  async owners(): Promise<Set<string>> {
    const rows = await this.snapshot.rows<{ owner: string }>(
      'select distinct lower(trim(owner)) as owner from certificates where owner is not null',
    );
    return new Set(rows.map(({ owner }) => owner));
  }

  /** Revocation times of these certificates, as far as Lemur's log has them. */
  async revocations(ids: readonly number[]): Promise<Map<number, Date>> {
    if (!this.has('logs', 'certificate_id', 'log_type', 'logged_at')) return new Map();
    const rows = await this.snapshot.rows<{ id: number; at: Date }>(
      `select certificate_id as id, max(logged_at) at time zone 'UTC' as at from logs
        where certificate_id = any($1) and log_type::text = 'revoke_cert' group by 1`,
      [ids],
    );
    return new Map(rows.map(({ id, at }) => [id, at]));
  }

  /** Some sealed private keys, newest first. */
  async someKeys(most: number): Promise<(Buffer | string)[]> {
    if (!this.has('certificates', 'private_key')) return [];
    const rows = await this.snapshot.rows<{ key: Buffer | string }>(
      `select private_key as key from certificates where private_key is not null and length(private_key) > 0
        order by id desc limit ${most}`,
    );
    return rows.map(({ key }) => key);
  }

  /** Distinct names of sensitive domains, lower case. */
  async sensitiveDomains(): Promise<string[]> {
    if (!this.has('domains', 'name', 'sensitive')) return [];
    return (
      await this.snapshot.rows<{ name: string }>(
        'select distinct lower(name) as name from domains where sensitive and name is not null order by 1',
      )
    ).map(({ name }) => name);
  }

  async countDistinctDomains(): Promise<number> {
    if (!this.has('domains', 'name')) return 0;
    return (
      (await this.snapshot.rows<{ count: number }>('select count(distinct lower(name))::int as count from domains'))[0]
        ?.count ?? 0
    );
  }

  /** Removes private keys from descriptions: they would be stored unsealed and displayed. */
  private withoutKeys<Row extends { id: number }>(table: LemurTable<Row>, row: Row): Row {
    const { description } = row as { description?: string | null };
    if (typeof description !== 'string' || !holdsPrivateKey(description)) return row;
    this.disclosed.set(`${table.name} ${row.id}`, { table: table.name, id: row.id });
    return { ...row, description: '(removed: it contained a private key)' };
  }

  private selection<Row extends { id: number }>({ name, required, optional }: LemurTable<Row>): string {
    const missing = required.filter((column) => !this.has(name, snake(column)));
    if (missing.length > 0)
      throw new Error(
        `The table ${name} has no column ${missing.map(snake).join(', ')}: this version of Lemur is not supported.`,
      );
    return [...required, ...optional]
      .map((column) => (this.has(name, snake(column)) ? `${snake(column)} as "${column}"` : `null as "${column}"`))
      .join(', ');
  }
}
