const hourMs = 3_600_000;

/** Nothing renews in this time after an import: time to look at the report, and to switch the old program off. */
export const graceMs = 24 * hourMs;
/** Over this time after it, what was due already is spread. */
const spreadMs = 7 * 24 * hourMs;

/**
 * When a certificate renews that is taken over at `now`, for which `planned` is the moment by its policy. What would be
 * due before the grace is over comes later, each at its own time by `share` (0 to 1), but never later than half of what
 * is left of its life.
 */
export function spreadRenewal(
  planned: Date,
  { now, notAfter, share }: { now: Date; notAfter: Date; share: number },
): Date {
  if (planned.getTime() >= now.getTime() + graceMs) return planned;
  const left = notAfter.getTime() - now.getTime();
  return new Date(now.getTime() + Math.min(graceMs + share * spreadMs, left / 2));
}
