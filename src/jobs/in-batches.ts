import type { Database, Tx } from '../platform/db/database.js';
import type { TaskReport } from './task-report.js';

/** What the batches of one run of a periodic task share. */
export interface BatchRun {
  db: Database;
  signal: AbortSignal;
  report: TaskReport;
}

/**
 * Runs `take`, which takes at most `most`, in one transaction after another until it takes fewer, or the signal is
 * aborted. Counts what it has taken as `kind`, once that is committed.
 */
export async function inBatches(
  { db, signal, report }: BatchRun,
  { kind, most }: { kind: string; most: number },
  take: (tx: Tx, most: number) => Promise<number>,
): Promise<void> {
  for (let taken = most; taken === most && !signal.aborted;) {
    taken = await db.write((tx) => take(tx, most));
    report.count(kind, taken);
  }
}
