import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';

/** The last runs of a periodic task, over all processes. `failures`: consecutive, 0 after a success. */
export interface PeriodicStatus {
  name: string;
  lastStartedAt: Date;
  lastSuccessAt: Date | null;
  lastError: string | null;
  failures: number;
}

/** Every query on `periodic_task`. */
@Injectable()
export class PeriodicRepository {
  /** Stores a start of the task. False, and nothing is stored, when it last started less than `withinS` seconds ago. */
  async begin(tx: Tx, name: string, withinS: number): Promise<boolean> {
    const begun = await tx.query<unknown[]>(
      `insert into periodic_task (name, last_started_at) values ($1, now())
       on conflict (name) do update set last_started_at = now()
         where periodic_task.last_started_at <= now() - $2::float8 * interval '1 second'
       returning name`,
      [name, withinS],
    );
    return begun.length === 1;
  }

  async succeeded(tx: Tx, name: string): Promise<void> {
    await tx.query(
      'update periodic_task set last_success_at = now(), last_error = null, failures = 0 where name = $1',
      [name],
    );
  }

  async failed(tx: Tx, name: string, error: string): Promise<void> {
    await tx.query('update periodic_task set last_error = $2, failures = failures + 1 where name = $1', [name, error]);
  }

  /** Every task that has ever started, ordered by name. */
  async list(tx: Tx): Promise<PeriodicStatus[]> {
    return tx.query<PeriodicStatus[]>(
      `select name, last_started_at as "lastStartedAt", last_success_at as "lastSuccessAt", last_error as "lastError",
        failures
       from periodic_task order by name`,
    );
  }
}
