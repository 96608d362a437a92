import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { Problem } from '../http/problem.js';

declare const open: unique symbol;

/**
 * An open transaction. Only Database makes one, so no query can run outside the transaction of its use case by
 * accident.
 */
export type Tx = EntityManager & { readonly [open]: true };

/** The longest time for one statement of a search. */
const longestSearchMs = 4000;

const retryable = new Set(['40001', '40P01']);

/** The Postgres error code (SQLSTATE) behind an error, or undefined. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof QueryFailedError)) return undefined;
  return (error.driverError as { code?: string }).code;
}

/** True for a deadlock or a serialization failure: the same again may get through. */
export function isConflict(error: unknown): boolean {
  return retryable.has(sqlState(error) ?? '');
}

/** The constraint that a failed statement ran into, or undefined. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!(error instanceof QueryFailedError)) return undefined;
  return (error.driverError as { constraint?: string }).constraint;
}

/** Work that joins the first transaction which `during` opens. `isDone`: it was committed. */
export interface Joining {
  during: <T>(work: () => Promise<T>) => Promise<T>;
  readonly isDone: boolean;
}

interface Joined {
  readonly join: (tx: Tx) => Promise<void>;
  isDone: boolean;
  /** Resolves when the transaction that tries to be the first has ended; null while there is none. */
  running: Promise<void> | null;
}

const joined = new AsyncLocalStorage<Joined | null>();

/** Opens transactions. `work` must be repeatable: a deadlock or serialization failure runs it once more. */
@Injectable()
export class Database {
  constructor(readonly source: DataSource) {}

  /** One READ COMMITTED transaction: commits when `work` resolves, rolls back when it throws. */
  async write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const first = joined.getStore();
    while (first?.running) await first.running;
    return first && !first.isDone ? this.firstWrite(first, work) : this.repeatable(work);
  }

  /**
   * Lets `join` write in the first transaction of `during`, so that both are committed or neither is. Other
   * transactions of `during` begin after that one was committed.
   */
  joining(join: (tx: Tx) => Promise<void>): Joining {
    const first: Joined = { join, isDone: false, running: null };
    return {
      during: (work) => joined.run(first, work),
      get isDone() {
        return first.isDone;
      },
    };
  }

  /** Whether the next `write` is the first one of a `during`: only what belongs to that work may share it. */
  get isJoining(): boolean {
    const first = joined.getStore();
    return first != null && !first.isDone;
  }

  private async firstWrite<T>(first: Joined, work: (tx: Tx) => Promise<T>): Promise<T> {
    let end = (): void => undefined;
    first.running = new Promise((resolve) => (end = resolve));
    try {
      // A transaction that this one waits for must not wait for this one.
      const result = await joined.run(null, () =>
        this.repeatable(async (tx) => {
          await first.join(tx);
          return work(tx);
        }),
      );
      first.isDone = true;
      return result;
    } finally {
      first.running = null;
      end();
    }
  }

  private async repeatable<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const once = (): Promise<T> => this.source.transaction((manager) => work(manager as Tx));
    try {
      return await once();
    } catch (error) {
      if (!isConflict(error)) throw error;
      // At once it could take its first row from the transaction that it lost to, and both would fail again.
      await sleep(10 + Math.random() * 40);
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

  /**
   * A snapshot for searches with free conditions. A statement is cancelled after `longestMs`. Whole tables are scanned
   * or joined only where no index fits: a planner that expects matches to be spread evenly may read a million rows for
   * ten.
   * Throws Problem `invalid-request`.
   */
  async search<T>(work: (tx: Tx) => Promise<T>, longestMs = longestSearchMs): Promise<T> {
    try {
      return await this.source.transaction(async (manager) => {
        await manager.query(
          `select set_config('transaction_read_only', 'on', true), set_config('statement_timeout', $1, true),
            set_config('enable_seqscan', 'off', true),
                  set_config('enable_mergejoin', 'off', true), set_config('enable_hashjoin', 'off', true),
                  set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true),
                  set_config('work_mem', '16MB', true)`,
          [String(longestMs)],
        );
        return work(manager as Tx);
      });
    } catch (error) {
      if (sqlState(error) !== '57014') throw error;
      throw new Problem(
        'invalid-request',
        'This takes too long: narrow the search, or continue with `after` instead of `page`.',
        { cause: error },
      );
    }
  }

  /** Single statements that need no snapshot: each runs alone on a free connection, without BEGIN and COMMIT. */
  get single(): Tx {
    return this.source.manager as Tx;
  }
}
