// Reads the text of UTCTime and GeneralizedTime.

/** The time as RFC 5280 §4.1.2.5 writes it; undefined for any other text. */
export function derTime(text: string, isUtcTime: boolean): Date | undefined {
  return (isUtcTime ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text) ? moment(text, isUtcTime) : undefined;
}

const berUtcTime = /^(\d{10})(\d\d)?()(Z|[+-]\d{4})$/;
const berGeneralizedTime = /^(\d{12})(\d\d)?(?:[.,](\d+))?(Z|[+-]\d{4})$/;

/** The time as X.680 §46 and §47 write it; undefined for an invalid one. */
export function berTime(text: string, isUtcTime: boolean): Date | undefined {
  const [, minutes, seconds = '00', , zone = 'Z'] = (isUtcTime ? berUtcTime : berGeneralizedTime).exec(text) ?? [];
  const local = minutes && moment(minutes + seconds, isUtcTime);
  if (!local) return undefined;
  const offset = zone === 'Z' ? 0 : Number(`${zone[0]}1`) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3)));
  const date = new Date(local.getTime() - offset * 60_000);
  // An offset can lead beyond year 9999, which has no text form.
  return date.getTime() < YEAR_0 || date.getTime() > END_OF_9999 ? local : date;
}

const YEAR_0 = Date.parse('0000-01-01T00:00:00Z');
const END_OF_9999 = Date.parse('9999-12-31T23:59:59Z');

/** The time of 12 or 14 digits; undefined when a field is out of range. */
function moment(text: string, isUtcTime: boolean): Date | undefined {
  const digits = isUtcTime ? `${text < '5' ? '20' : '19'}${text}` : text;
  const part = (from: number, to: number) => Number(digits.slice(from, to));
  const month = part(4, 6) - 1;
  const date = new Date(Date.UTC(2000, month, part(6, 8), part(8, 10), part(10, 12), part(12, 14)));
  date.setUTCFullYear(part(0, 4), month, part(6, 8));
  // A field out of range rolls over and then differs from the text.
  const same =
    Number.isFinite(date.getTime()) && date.toISOString().replace(/[-:T]/g, '').slice(0, 14) === digits.slice(0, 14);
  return same ? date : undefined;
}
