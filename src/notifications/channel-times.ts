import { z } from 'zod';

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'Give a time of day like 22:30.');
const timeZone = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z]/, 'Give a time zone of the IANA database, for example Europe/Berlin or UTC.')
  .meta({ description: 'Of the IANA database, for example Europe/Berlin.' });

/** The hours in which a channel sends nothing but critical messages, by the clock on the wall of a time zone. */
export const QuietHours = z
  .strictObject({
    from: time.meta({ description: 'Local time at which they begin.' }),
    to: time.meta({ description: 'Local time at which they end: on the next day unless it is later than `from`.' }),
    timeZone,
  })
  .refine(({ from, to }) => from !== to, { path: ['to'], error: 'must differ from `from`' })
  .meta({ id: 'QuietHours' });
export type QuietHours = z.output<typeof QuietHours>;

/** When a channel sends all that came together since the day before, except for critical messages. */
export const Digest = z
  .strictObject({ at: time.meta({ description: 'Local time.' }), timeZone })
  .meta({ id: 'Digest' });
export type Digest = z.output<typeof Digest>;

/** In SQL, what the clock in the zone shows at $1. */
const localIn = (zone: string): string => `($1::timestamptz at time zone ${zone})`;

/** In SQL, the next moment after $1 at which the clock in the zone shows `at`, or would if it did not skip it. */
const next = (at: string, zone: string): string => {
  const local = localIn(zone);
  const day = `${local}::date + case when ${local}::time >= ${at}::time then 1 else 0 end`;
  return `((${day} + ${at}::time) at time zone ${zone})`;
};

const [from, to, zone] = ['from', 'to', 'timeZone'].map((name) => `(quiet_hours->>'${name}')`) as [
  string,
  string,
  string,
];

/**
 * In SQL, when the quiet hours of a channel end in which $1 is; null when it is in none. What the clock in the zone
 * shows decides: the beginning is no moment on a day on which the clock skips it.
 */
export const quietUntil = `case when case when ${from}::time < ${to}::time
    then ${localIn(zone)}::time >= ${from}::time and ${localIn(zone)}::time < ${to}::time
    else ${localIn(zone)}::time >= ${from}::time or ${localIn(zone)}::time < ${to}::time end
  then ${next(to, zone)} end`;

/** In SQL, when a channel sends its next digest after $1; null when it sends none. */
export const digestAt = next(`(digest->>'at')`, `(digest->>'timeZone')`);
