import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, QueryFailedError } from 'typeorm';

declare const open: unique symbol;

/** An open transaction. Only Database makes one, so no query can run outside the transaction of its use case by accident. */
export type Tx = EntityManager & { readonly [open]: true };

const retryable = new Set(['40001', '40P01']);

/** The Postgres error code (SQLSTATE) behind an error, or undefined. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof QueryFailedError)) return undefined;
  return (error.driverError as { code?: string }).code;
}

/** The constraint that a failed statement ran into, or undefined. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!(error instanceof QueryFailedError)) return undefined;
  return (error.driverError as { constraint?: string }).constraint;
}

/** Opens transactions. `work` must be repeatable: a deadlock or serialization failure runs it once more. */
@Injectable()
export class Database {
  constructor(readonly source: DataSource) {}

  /** One READ COMMITTED transaction: commits when `work` resolves, rolls back when it throws. */
  async write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const once = (): Promise<T> => this.source.transaction((manager) => work(manager as Tx));
    try {
      return await once();
    } catch (error) {
      if (!retryable.has(sqlState(error) ?? '')) throw error;
      return await once();
    }
  }

  /** One read-only snapshot (REPEATABLE READ): a write inside it fails. */
  async read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.source.transaction('REPEATABLE READ', async (manager) => {
      await manager.query('set transaction read only');
      return work(manager as Tx);
    });
  }

  /** Single statements that need no snapshot: each runs by itself on a free connection, without BEGIN and COMMIT. */
  get single(): Tx {
    return this.source.manager as Tx;
  }
}
