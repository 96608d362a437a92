const hourMs = 3_600_000;

/** No renewals in this time after an import: time to read the report and to switch Lemur off. */
export const graceMs = 24 * hourMs;
/** Overdue renewals are spread over this time after the grace period. */
const spreadMs = 7 * 24 * hourMs;

/**
 * When an imported certificate renews. `now` is the import, `planned` the time by its policy. A renewal that is due
 * before the end of the grace period is postponed, by `share` (0 to 1), but to no later than half of the remaining
 * lifetime.
 */
export function spreadRenewal(
  planned: Date,
  { now, notAfter, share }: { now: Date; notAfter: Date; share: number },
): Date {
  if (planned.getTime() >= now.getTime() + graceMs) return planned;
  const left = notAfter.getTime() - now.getTime();
  return new Date(now.getTime() + Math.min(graceMs + share * spreadMs, left / 2));
}
