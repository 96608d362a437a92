import { createHash } from 'node:crypto';
import type { Tx } from '../platform/db/database.js';

/** When and in which lane a job runs. */
export interface JobTiming {
  /** The earliest start, in seconds from now by the clock of the database; absent: at once. */
  afterS?: number | undefined;
  /** The name of its lane, from `LaneKind.of`; absent: no lane limits the job. */
  lane?: string | undefined;
}

/** The data and timing of one job to write. */
export interface OutboxRow extends JobTiming {
  data: object;
}

const longestIdentity = 100;

/**
 * Writes jobs of one name in the caller's transaction. Use `Job.enqueue` instead, which checks the type of the data. A
 * job that already waits with the same data is not added again: it runs at the earlier of the two times, and not before
 * this transaction has ended.
 */
export async function addToOutbox(tx: Tx, job: string, rows: readonly OutboxRow[]): Promise<void> {
  if (rows.length === 0) return;
  const byIdentity = new Map<string, OutboxRow & { identity: string }>();
  for (const row of rows) {
    const identity = identityOf(row.data);
    const same = byIdentity.get(identity);
    if (same === undefined || (row.afterS ?? 0) < (same.afterS ?? 0)) byIdentity.set(identity, { ...row, identity });
  }
  // Sorted, so that two transactions that add the same jobs do not deadlock.
  const sorted = [...byIdentity.values()].sort((a, b) => (a.identity < b.identity ? -1 : 1));
  // The update locks the row even when the waiting job is due earlier: the job must not start before this transaction
  // has committed the change that the job is to see.
  await tx.query(
    `insert into outbox (id, job, data, identity, lane, run_at)
     select gen_random_uuid(), $1, row.data, row.identity, coalesce(row.lane, ''),
       now() + coalesce(row."afterS", 0) * interval '1 second'
     from jsonb_to_recordset($2::jsonb) as row(data jsonb, identity text, lane text, "afterS" float8)
     on conflict (job, identity) where state = 'due' and waiting
     do update set run_at = least(outbox.run_at, excluded.run_at)`,
    [job, JSON.stringify(sorted)],
  );
}

/**
 * SQL condition: a job with the data `{ [field]: id }` waits, runs, or has been a dead letter for less than `deadS`.
 * Written so that only the index of the identities fits (see OutboxRepository). One that died at a later time than now
 * counts for none when the clock has been set back further than `deadS`.
 */
export function isUnfinished({ name }: { name: string }, field: string, id: string, deadS: number): string {
  return `exists (
    select from outbox unfinished
    where unfinished.identity = '[["${field}",' || ${id} || ']]' and unfinished.job || '' = '${name}'
      and unfinished.state <> 'done'
      and (unfinished.state <> 'dead' or abs(extract(epoch from now() - unfinished.finished_at)) < ${deadS})
    offset 0)`;
}

/** Equal for equal data, whatever the order of its members. */
function identityOf(data: object): string {
  const text = JSON.stringify(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)));
  return text.length <= longestIdentity ? text : createHash('sha256').update(text).digest('hex');
}
