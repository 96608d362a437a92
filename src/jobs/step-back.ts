/** By how many seconds the clock was set back, and which times follow it: those that are so many seconds ahead. */
export type StepBack = [seconds: number, aheadS: number];

/** Longer than any wait for a next attempt, see retryAt. Later times do not depend on when they were planned. */
const longestWaitHours = 8;

/**
 * SQL: sets back what a table has planned before the clock was set back, so that nothing waits longer than it would
 * have. $1 and $2 are a StepBack. What was planned after the step, and is not due yet, becomes due. Waits for no lock:
 * others wait for the leases meanwhile. `only`: a condition for rows whose time is a wait and no date.
 */
export function setBackTimes(table: string, column: string, only = 'true'): string {
  const step = `$1::float8 * interval '1 second'`;
  return `update ${table} set ${column} = ${column} - ${step} where ctid = any(array(
    select ctid from ${table} where ${column} > now() + $2::float8 * interval '1 second'
      and ${column} <= now() + ${step} + interval '${longestWaitHours} hours' and ${only}
    for no key update skip locked))`;
}
