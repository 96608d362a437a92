/** A moment as Postgres reads it in JSON: it has no year 0 and writes what was before the year 1 with `BC`. */
export function timestamp(moment: Date): string;
export function timestamp(moment: Date | null): string | null;
export function timestamp(moment: Date | null): string | null {
  if (moment === null) return null;
  const year = moment.getUTCFullYear();
  const text = moment.toISOString();
  return year > 0 ? text : `${String(1 - year).padStart(4, '0')}${text.slice(text.indexOf('-', 1))} BC`;
}
