import type { Config } from '../../platform/config.js';

/**
 * Whether a delivered certificate is in use. `pending`: nobody has seen it yet. `differs`: something else is in use.
 * `not-verifiable`: nobody can tell.
 */
export const verifications = ['pending', 'verified', 'differs', 'not-verifiable'] as const;
export type Verification = (typeof verifications)[number];

/**
 * What one check found. `unknown`: the place, or a server, did not tell. `arriving`: the place is about to use the
 * certificate. `denied`: the place may not be asked, until a person changes that. `not-verifiable`: there is nobody to
 * ask. `detail` says why, for people.
 */
export interface Finding {
  outcome: 'match' | 'differs' | 'unknown' | 'arriving' | 'denied' | 'not-verifiable';
  detail: string | null;
}

/**
 * What follows from a check. `settled`: the certificate is in use, or nobody can tell. `waiting`: checked again soon.
 * `overdue`: it did not come into use in time. `drifted`: it was in use, and no longer is. `still-differs`: something
 * else is in use, as before.
 */
export type CheckResult = 'settled' | 'waiting' | 'overdue' | 'drifted' | 'still-differs' | 'same';

/** A server may take so long until it serves what was delivered. */
const patienceMs = 10 * 60_000;
/** The same for a place that says that it is about to: a content delivery network has many servers. */
const arrivalMs = 60 * 60_000;
const shortestWaitMs = 5000;
const longestWaitMs = 120_000;

/** Interval of the checks of what is delivered, in ms; 0: there are none. */
export function checkIntervalMs({ deploymentCheckHours }: Pick<Config, 'deploymentCheckHours'>): number {
  return deploymentCheckHours * 3_600_000;
}

/** What a check makes of what was known before. `sinceMs`: the time since the delivery. */
export function judged(
  before: Verification | null,
  { outcome }: Finding,
  sinceMs: number,
): { verification: Verification | null; result: CheckResult } {
  const wasOpen = before === 'pending' || before === 'differs';
  // Once there was a verdict, it stays while nobody may ask.
  if (outcome === 'denied')
    return before === 'verified' || before === 'differs'
      ? { verification: before, result: 'same' }
      : { verification: 'not-verifiable', result: wasOpen ? 'settled' : 'same' };
  if (outcome === 'match' || outcome === 'not-verifiable')
    return { verification: outcome === 'match' ? 'verified' : outcome, result: wasOpen ? 'settled' : 'same' };
  if (before === 'pending')
    return sinceMs < (outcome === 'arriving' ? arrivalMs : patienceMs)
      ? { verification: 'pending', result: 'waiting' }
      : { verification: 'differs', result: 'overdue' };
  if (outcome === 'unknown' || outcome === 'arriving') return { verification: before, result: 'same' };
  return { verification: 'differs', result: before === 'differs' ? 'still-differs' : 'drifted' };
}

/** The wait before the next check of a new delivery: as long as it has waited already, within bounds. */
export function waitAfter(now: Date, deliveredAt: Date): number {
  return Math.min(Math.max(now.getTime() - deliveredAt.getTime(), shortestWaitMs), longestWaitMs);
}
