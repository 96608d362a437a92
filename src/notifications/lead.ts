import { type LeadOptions, leadUnits } from '../platform/plugins/lead-options.js';

/**
 * How long before notAfter a warning is due, in milliseconds. A lead that is longer than half of the lifetime becomes a
 * quarter of it: nobody is warned of a short-lived certificate when it is new, or before it renews.
 */
export function leadMs(leadS: number, lifetimeMs: number): number {
  const lead = leadS * 1000;
  return lead > lifetimeMs / 2 ? lifetimeMs / 4 : lead;
}

/** Seconds of the options `interval` and `unit`. */
export function leadSeconds(options: Readonly<Record<string, unknown>>): number {
  const { interval, unit } = options as LeadOptions;
  return interval * leadUnits[unit];
}

/** When the first warning of these leads (seconds) is due; null without any. */
export function nextNoticeAt(dates: { notBefore: Date; notAfter: Date }, leads: readonly number[]): Date | null {
  if (leads.length === 0) return null;
  const lifetime = dates.notAfter.getTime() - dates.notBefore.getTime();
  return new Date(dates.notAfter.getTime() - Math.max(...leads.map((lead) => leadMs(lead, lifetime))));
}
