import { Injectable } from '@nestjs/common';
import type { Tx } from '../db/database.js';
import { KeyRingCheck } from './key-ring-check.entity.js';
import { Sealed, SealedColumn } from './sealed.js';

/** A column that holds sealed values, each bound to the `secret_id` of its row. */
export interface SealedIn {
  table: string;
  column: string;
  /** The `table.column` that the values are bound to. */
  boundTo: string;
}

/** One sealed value. */
export interface SealedValue {
  id: number;
  sealed: Sealed;
  /** What it is bound to. */
  place: string;
  /** Where it is stored, as `table.column.secretId`: for people. */
  storedAt: string;
}

/** How many values of a column one key seals. */
export interface SealedCount extends Pick<SealedIn, 'table' | 'column'> {
  keyId: string;
  count: number;
}

interface Row {
  id: number;
  secretId: string;
  bytes: Buffer;
}

/** The id of the key in the envelope that `sealed.ts` describes. */
const keyIdOf = (column: string): string =>
  `convert_from(substring(${column} from 3 for get_byte(${column}, 1)), 'LATIN1')`;

/** Every query on sealed values, in all tables. The entities say which columns hold them, so none is forgotten. */
@Injectable()
export class SealedValues {
  /** Throws when a table with such a column lacks `id` or `secret_id`. */
  columns(tx: Tx): SealedIn[] {
    return tx.connection.entityMetadatas
      .filter(({ target }) => target !== KeyRingCheck)
      .flatMap(({ tableName, columns }) => {
        const sealed = columns.filter(({ transformer }) => transformer instanceof SealedColumn);
        const names = new Set(columns.map(({ databaseName }) => databaseName));
        if (sealed.length > 0 && !(names.has('id') && names.has('secret_id')))
          throw new Error(`${tableName} has a sealed column but no id and secret_id.`);
        return sealed.map(({ databaseName, transformer }) => ({
          table: tableName,
          column: databaseName,
          boundTo: (transformer as SealedColumn).boundTo ?? `${tableName}.${databaseName}`,
        }));
      });
  }

  async census(tx: Tx): Promise<SealedCount[]> {
    const counts = [];
    for (const { table, column } of this.columns(tx)) {
      counts.push(
        ...(await tx.query<SealedCount[]>(
          `select '${table}' as table, '${column}' as column, ${keyIdOf(column)} as "keyId", count(*)::int as count
         from ${table} where ${column} is not null group by 3 order by 3`,
        )),
      );
    }
    return counts;
  }

  /** Values of a column behind row `after`, in order of ids. `notBy`: only those that another key seals. */
  async list(
    tx: Tx,
    { table, column, boundTo }: SealedIn,
    { after, limit, notBy }: { after: number; limit: number; notBy?: string },
  ): Promise<SealedValue[]> {
    const rows = await tx.query<Row[]>(
      `select id, secret_id as "secretId", ${column} as bytes from ${table}
       where id > $1 and ${column} is not null and ($3::text is null or ${keyIdOf(column)} <> $3) order by id limit $2`,
      [after, limit, notBy ?? null],
    );
    return rows.map(({ id, secretId, bytes }) => ({
      id,
      sealed: Sealed.fromBytes(bytes),
      place: `${boundTo}.${secretId}`,
      storedAt: `${table}.${column}.${secretId}`,
    }));
  }

  /** Replaces the values that have not changed since they were read; gives their number. */
  async replace(
    tx: Tx,
    { table, column }: SealedIn,
    pairs: readonly { value: SealedValue; next: Sealed }[],
  ): Promise<number> {
    const replaced = await tx.query<[unknown[], number]>(
      `update ${table} as t set ${column} = v.next from unnest($1::int[], $2::bytea[], $3::bytea[]) as v(id, old, next)
       where t.id = v.id and t.${column} = v.old returning t.id`,
      [
        pairs.map(({ value }) => value.id),
        pairs.map(({ value }) => value.sealed.bytes),
        pairs.map(({ next }) => next.bytes),
      ],
    );
    return replaced[1];
  }

  /**
   * Waits until every current transaction has ended that may have read a sealed value and may write it again. New ones
   * continue at once afterwards. Throws after three seconds.
   */
  async awaitReaders(tx: Tx): Promise<void> {
    await tx.query(`set local lock_timeout = '3s'`);
    const tables = [...new Set(this.columns(tx).map(({ table }) => table))].sort();
    await tx.query(`lock table ${tables.join(', ')} in access exclusive mode`);
  }
}
