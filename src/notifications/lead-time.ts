import { type LeadOptions, leadUnits } from '../platform/plugins/lead-options.js';

/**
 * How long before notAfter a warning is due, in milliseconds. A lead longer than half of the lifetime
 * becomes a quarter of it, so that a short-lived certificate causes no warning while it is new or before it renews.
 */
export function leadMs(leadS: number, lifetimeMs: number): number {
  const lead = leadS * 1000;
  return lead > lifetimeMs / 2 ? lifetimeMs / 4 : lead;
}

/** The last warnings of every certificate come at the latest with this lead, in seconds, whatever delays others. */
export const lastChanceS = 2 * 86_400;

/** From when on nothing delays a notice of a certificate. */
export function lastChanceAt({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }): Date {
  return new Date(notAfter.getTime() - leadMs(lastChanceS, notAfter.getTime() - notBefore.getTime()));
}

/** The options `interval` and `unit` in seconds. */
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
