const dayMs = 86_400_000;
/** 1 January 1970 was a Thursday: this is the first Monday at 08:00 UTC. */
const firstMs = 4 * dayMs + 8 * 3_600_000;

/** The last Monday at 08:00 UTC that is not after `now`. */
export function lastSummaryAt(now: Date): Date {
  return new Date(nextSummaryAt(now).getTime() - 7 * dayMs);
}

/** The next Monday at 08:00 UTC after `now`, at which weekly summaries are due. */
export function nextSummaryAt(now: Date): Date {
  const weeks = Math.floor((now.getTime() - firstMs) / (7 * dayMs)) + 1;
  return new Date(firstMs + weeks * 7 * dayMs);
}
