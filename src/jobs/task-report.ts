import { errorText } from './error-text.js';

/** One item of a run that failed while the others went on, such as `certificate 17`, and why. */
export interface ItemFailure {
  item: string;
  error: string;
}

/** Failures beyond these are counted and not kept. */
const mostKept = 100;

/** What one run of a periodic task did; it is stored with the run. */
export class TaskReport {
  readonly counts: Record<string, number> = {};
  readonly failures: ItemFailure[] = [];

  /** Adds to the number of things of this kind that the run has handled, such as `renewals`. */
  count(kind: string, by = 1): void {
    if (by > 0) this.counts[kind] = (this.counts[kind] ?? 0) + by;
  }

  /** An item failed, and the run goes on with the next one. */
  failed(item: string, error: unknown): void {
    this.count('failed');
    if (this.failures.length < mostKept) this.failures.push({ item, error: errorText(error) });
  }
}
