/**
 * How long before notAfter a warning is due, in milliseconds. A lead that would eat more than half of the lifetime
 * becomes a quarter of it: short-lived certificates are warned about too, but not as soon as they exist, and not before
 * they would have renewed by themselves.
 */
export function leadMs(leadS: number, lifetimeMs: number): number {
  const lead = leadS * 1000;
  return lead > lifetimeMs / 2 ? lifetimeMs / 4 : lead;
}

const unitS = { minutes: 60, hours: 3600, days: 86_400, weeks: 7 * 86_400, months: 30 * 86_400 } as const;

/** Seconds of a plugin's `interval` and `unit` options; 30 days when it has none. */
export function leadSeconds(options: Readonly<Record<string, unknown>>): number {
  const unit =
    typeof options.unit === 'string' && options.unit in unitS ? unitS[options.unit as keyof typeof unitS] : unitS.days;
  return typeof options.interval === 'number' ? options.interval * unit : 30 * unitS.days;
}

/** When the first warning of these leads (seconds) is due; null without any. */
export function nextNoticeAt(dates: { notBefore: Date; notAfter: Date }, leads: readonly number[]): Date | null {
  if (leads.length === 0) return null;
  const lifetime = dates.notAfter.getTime() - dates.notBefore.getTime();
  return new Date(dates.notAfter.getTime() - Math.max(...leads.map((lead) => leadMs(lead, lifetime))));
}
