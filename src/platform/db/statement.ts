import { QueryFailedError } from 'typeorm';
import type { Tx } from './database.js';

/** What of a connection of pg is used here. */
interface Connection {
  query(statement: { name: string; text: string; values: readonly unknown[] }): Promise<{ rows: unknown[] }>;
}

/**
 * A statement that each connection parses once and keeps under `name`, which must be its alone: for what every request
 * runs. Its plan may become one for all values, so it is not for conditions whose best plan depends on them. Gives the
 * rows.
 */
export function prepared<Row>(name: string, text: string): (tx: Tx, values: readonly unknown[]) => Promise<Row[]> {
  return async (tx, values) => {
    const runner = tx.queryRunner ?? tx.dataSource.createQueryRunner();
    try {
      const connection = (await runner.connect()) as Connection;
      return (await connection.query({ name, text, values })).rows as Row[];
    } catch (error) {
      throw error instanceof Error ? new QueryFailedError(text, [...values], error) : error;
    } finally {
      if (!tx.queryRunner) await runner.release();
    }
  };
}
