/**
 * Adjusts a wait. `hintS`: what the remote side asked for, in seconds. `atMostMs`: an upper bound, in milliseconds.
 */
export interface RetryBounds {
  hintS?: number;
  atMostMs?: number;
}

const firstMs = 15_000;
const longestMs = 6 * 3_600_000;

/**
 * The time of the next retry after `attempts` failures in a row: 15 s, doubling up to 6 h, plus up to a fifth of
 * jitter, so that rows that failed together are not retried together.
 */
export function retryAt(
  now: Date,
  attempts: number,
  bounds: RetryBounds = {},
  random: () => number = Math.random,
): Date {
  const doubled = Math.min(firstMs * 2 ** Math.max(0, attempts - 1), longestMs);
  const wanted = Math.max(doubled, (bounds.hintS ?? 0) * 1000);
  const bounded = Math.min(wanted, bounds.atMostMs ?? longestMs);
  return new Date(now.getTime() + Math.round(bounded * (1 + 0.2 * random())));
}
