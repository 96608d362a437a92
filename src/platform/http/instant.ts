import { z } from 'zod';

const shape = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** A moment in a request: ISO 8601 date or date and time; without an offset it is UTC. */
export const Instant = z
  .string()
  .max(40)
  .transform((text, ctx) => {
    const zoned = /[Z]$|[+-]\d{2}:?\d{2}$/.test(text) || !/[T ]/.test(text) ? text : `${text}Z`;
    const date = new Date(shape.test(text) && isDay(text.slice(0, 10)) ? zoned.replace(' ', 'T') : NaN);
    const year = date.getUTCFullYear();
    if (year >= 1 && year <= 9999) return date;
    ctx.addIssue({ code: 'custom', message: 'Expected a date and time such as 2026-01-31T08:00:00Z' });
    return z.NEVER;
  })
  .meta({ format: 'date-time' });

/** `Date` accepts 30 February as 2 March. */
function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

/** Years of validity from 1 to `most`; Lemur's clients write small numbers as text too. */
export function yearsUpTo(most: number) {
  return z
    .union([
      z.int(),
      z
        .string()
        .regex(/^\d{1,2}$/, 'Expected a whole number')
        .transform(Number),
    ])
    .pipe(z.int().min(1).max(most));
}

/** A moment in a response, as Lemur writes it: `2026-01-31T08:00:00+00:00`. */
export const InstantOut = z.string().meta({ format: 'date-time' });

/** Formats a moment for a response (UTC, seconds). */
export function instant(date: Date): string {
  return `${date.toISOString().slice(0, 19)}+00:00`;
}

export function instantOrNull(date: Date | null): string | null {
  return date && instant(date);
}
