import { z } from 'zod';

/** In the order of `Date.getUTCDay`. */
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'Give a time of day like 22:30.');

const MaintenanceWindow = z
  .strictObject({
    weekdays: z
      .array(z.enum(weekdays))
      .min(1)
      .refine((days) => new Set(days).size === days.length, 'Name each weekday once.')
      .meta({ description: 'The days on which it begins.' }),
    from: time.meta({ description: 'Local time at which it opens, e.g. 22:30.' }),
    to: time.meta({ description: 'Local time at which it closes: on the next day unless it is later than `from`.' }),
  })
  .meta({ id: 'MaintenanceWindow' });

const TimeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'Give a time zone of the IANA database, e.g. Europe/Berlin or UTC.')
  .meta({ description: 'Of the IANA database, e.g. Europe/Berlin.' });

/** When renewals may begin, by the clock on the wall of a time zone. */
export const Maintenance = z
  .strictObject({ timeZone: TimeZone, windows: z.array(MaintenanceWindow).min(1).max(20) })
  .meta({ id: 'Maintenance' });
export type Maintenance = z.output<typeof Maintenance>;

/** A time span: `from` is in it, `to` is not. */
export interface Opening {
  from: Date;
  to: Date;
}

/** A time span in milliseconds since 1970, of the world or of a clock on a wall. */
interface Span {
  from: number;
  to: number;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** Windows repeat every week. A change of the clocks can swallow one of them. */
const searchedDays = 40;

/**
 * The first `count` openings that end after `at`; the first one may have begun. A moment is in an opening exactly when
 * the clock on the wall shows a time in a window: a time that the clock skips opens nothing, a time that it shows
 * twice opens twice. Adjacent openings are one.
 */
export function nextOpenings({ timeZone, windows }: Maintenance, at: Date, count: number): Opening[] {
  const openings: Span[] = [];
  // From the day before, on which a window may begin that is still open. Adjacent openings are joined, so that one more
  // is needed to know the end of the last one.
  for (const part of steadyParts(timeZone, at.getTime() - dayMs, searchedDays)) {
    for (const { from, to } of localSpans(windows, { from: part.from + part.offsetMs, to: part.to + part.offsetMs }))
      join(openings, {
        from: Math.max(from - part.offsetMs, part.from),
        to: Math.min(to - part.offsetMs, part.to),
      });
    if (openings.filter(({ to }) => to > at.getTime()).length > count) break;
  }
  return openings
    .filter(({ to }) => to > at.getTime())
    .slice(0, count)
    .map(({ from, to }) => ({ from: new Date(from), to: new Date(to) }));
}

/** `at` when it is in a window, else when the next one opens. Null when none opens within a month. */
export function nextOpeningAt(maintenance: Maintenance, at: Date): Date | null {
  const [opening] = nextOpenings(maintenance, at, 1);
  if (!opening) return null;
  return opening.from > at ? opening.from : at;
}

/** The windows on a clock that is never changed, in order. Each begins in `during`, or on the day before it. */
function localSpans(windows: Maintenance['windows'], during: Span): Span[] {
  const spans: Span[] = [];
  for (let day = floorDay(during.from) - dayMs; day < during.to; day += dayMs) {
    const weekday = weekdays[new Date(day).getUTCDay()] as (typeof weekdays)[number];
    for (const { weekdays: days, from, to } of windows) {
      if (!days.includes(weekday)) continue;
      const begin = day + minutesOf(from) * minuteMs;
      const end = day + minutesOf(to) * minuteMs;
      spans.push({ from: begin, to: end > begin ? end : end + dayMs });
    }
  }
  return spans.filter(({ from, to }) => to > during.from && from < during.to).sort((a, b) => a.from - b.from);
}

/** Adds a span that does not begin before the last one. */
function join(spans: Span[], next: Span): void {
  const last = spans.at(-1);
  if (last && next.from <= last.to) last.to = Math.max(last.to, next.to);
  else spans.push(next);
}

/** The time from `from` on, in parts of a day or less in which the zone's offset from UTC does not change. */
function* steadyParts(timeZone: string, from: number, days: number): Generator<Span & { offsetMs: number }> {
  let begin = from;
  for (let day = 1; day <= days; day += 1) {
    const end = from + day * dayMs;
    const [before, after] = [offsetMs(timeZone, begin), offsetMs(timeZone, end)];
    if (before !== after) {
      const change = changeBetween(timeZone, begin, end);
      yield { from: begin, to: change, offsetMs: before };
      begin = change;
    }
    yield { from: begin, to: end, offsetMs: after };
    begin = end;
  }
}

/** The second at which the offset changes, for a span in which it changes once. */
function changeBetween(timeZone: string, from: number, to: number): number {
  const before = offsetMs(timeZone, from);
  let [last, first] = [from, to];
  while (first - last > 1000) {
    const middle = Math.floor((last + first) / 2 / 1000) * 1000;
    if (middle <= last) break;
    if (offsetMs(timeZone, middle) === before) last = middle;
    else first = middle;
  }
  return first;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clock on the wall shows at `at`, less UTC. */
export function offsetMs(timeZone: string, at: number): number {
  let format = formats.get(timeZone);
  if (!format) {
    const digits = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const;
    format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...digits, second: 'numeric' });
    formats.set(timeZone, format);
  }
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
}

function isTimeZone(name: string): boolean {
  // Node.js also takes offsets like +02:00, for which no clock changes.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

function floorDay(local: number): number {
  return Math.floor(local / dayMs) * dayMs;
}
