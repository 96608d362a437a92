/** By how many seconds the clock was set back, and which times follow it: those that are so many seconds ahead. */
export type StepBack = [seconds: number, aheadS: number];

/** Waits that a table plans. */
interface Waits {
  table: string;
  column: string;
  /** Identifies a row for ever, so that one that is changed meanwhile is found again. */
  key?: string;
  /** Another column, which follows where it is equal. */
  alike?: string;
  /** A condition for rows whose time is a wait and no date. */
  only?: string;
}

/** Longer than any wait for a next attempt, see retryAt. Later times do not depend on when they were planned. */
const longestWaitHours = 8;

/**
 * SQL: sets back what a table has planned before the clock was set back, so that nothing waits longer than it would
 * have. $1 and $2 are a StepBack. What was planned after the step, and is not due yet, becomes due. Waits for no lock:
 * others wait for the leases meanwhile.
 */
export function setBackTimes({ table, column, key = 'id', alike, only = 'true' }: Waits): string {
  const step = `$1::float8 * interval '1 second'`;
  const set = alike ? `, ${alike} = ${alike} - case when ${alike} = ${column} then ${step} else interval '0' end` : '';
  return `update ${table} set ${column} = ${column} - ${step}${set} where ${key} = any(array(
    select ${key} from ${table} where ${column} > now() + $2::float8 * interval '1 second'
      and ${column} <= now() + ${step} + interval '${longestWaitHours} hours' and ${only}
    for no key update skip locked))`;
}
