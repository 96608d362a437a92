import type { PeriodicStatus } from './periodic.repository.js';

/** A task is late when it has not succeeded for three intervals, and at least for this time. */
const toleranceS = 300;

/** Seconds without a success after which a task with this interval is stale. */
export function staleAfterS(intervalS: number): number {
  return Math.max(3 * intervalS, toleranceS);
}

/**
 * True when the task has not succeeded for too long. `waitedS`: how long somebody has been waiting for the first
 * success of a task that never had one. A paused task is not stale.
 */
export function isStale(intervalS: number, status: PeriodicStatus | undefined, waitedS: number): boolean {
  if (status?.pausedAt) return false;
  return (status?.sinceSuccessS ?? waitedS) > staleAfterS(intervalS);
}
