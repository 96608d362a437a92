/**
 * How a wait may be bent. `hintS`: what the other side asked for (seconds). `atMostMs`: an upper bound (milliseconds).
 */
export interface RetryBounds {
  hintS?: number;
  atMostMs?: number;
}

const firstMs = 15_000;
const longestMs = 6 * 3_600_000;

/**
 * When to try again after the `attempts`-th failure in a row: 15 s, doubling to 6 h, plus up to a fifth of jitter so
 * that many rows that failed together do not come back together.
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
