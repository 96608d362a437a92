import type { Tx } from '../platform/db/database.js';

/** One job of a bulk write; without `runAt` it is due at once. */
export interface OutboxRow {
  data: unknown;
  runAt?: Date;
}

/** Writes one job in the caller's transaction. Use `Job.enqueue`, which knows the type of the data. */
export async function addToOutbox(tx: Tx, job: string, data: unknown, runAt?: Date): Promise<void> {
  await addManyToOutbox(tx, job, [{ data, runAt }]);
}

/** Writes many jobs of one kind in one statement. */
export async function addManyToOutbox(tx: Tx, job: string, rows: readonly OutboxRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `insert into outbox (id, job, data, run_at)
     select gen_random_uuid(), $1, row.data, coalesce(row."runAt", now())
     from jsonb_to_recordset($2::jsonb) as row(data jsonb, "runAt" timestamptz)`,
    [job, JSON.stringify(rows)],
  );
}
