/** Steps of the clock that are smaller than this shorten or lengthen leases by as much. */
export const smallestStepS = 5;

/** No lease is taken or extended for longer. */
const longestLeaseS = 30;

/**
 * SQL: the time by which leases expire. It is the time of the database, but runs at most `smallestStepS` ahead of the
 * last look at the clock (see ClockSteps). A clock that was set forward so expires no lease of a living process.
 */
export const leaseTime = `(select least(now(),
  (select seen_at + interval '${smallestStepS} seconds' from clock_watch)))`;

/**
 * SQL: the end of a lease after the clock has moved by `$1` seconds, backward when negative. Leaves alone what was
 * taken after the clock had moved.
 */
export function movedLease(column: string): string {
  const longest = `clock_timestamp() + interval '${longestLeaseS} seconds'`;
  const moved = `${column} + $1::float8 * interval '1 second'`;
  return `case when $1::float8 > 0 then least(${moved}, greatest(${column}, ${longest}))
    when ${column} > ${longest} then ${moved} else ${column} end`;
}
