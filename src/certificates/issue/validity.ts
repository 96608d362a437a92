/** What a request says about dates. Either start and end, or one of the lengths, or nothing. */
export interface ValidityWish {
  validityStart?: Date;
  validityEnd?: Date;
  validityYears?: number;
  validityDays?: number;
}

/** What the issuing authority allows. Days are of 86 400 s. */
export interface ValidityBounds {
  caNotBefore: Date;
  caNotAfter: Date;
  maxDays: number | null;
  defaultDays: number;
  allowWeekendEnd: boolean;
}

export interface Validity { notBefore: Date; notAfter: Date }

/** A wish that cannot be granted; `field` is the request's member to blame. */
export class ValidityRefused extends Error {
  constructor(readonly field: 'validityStart' | 'validityEnd' | 'validityYears' | 'validityDays', message: string) {
    super(message);
  }
}

const dayMs = 86_400_000;
/** New certificates are valid a little earlier than now, because clocks of clients differ. */
const backdateMs = 60_000;

/** The dates of a new certificate. Seconds precision. Throws ValidityRefused. */
export function validityOf(wish: ValidityWish, bounds: ValidityBounds, now: Date): Validity {
  const validity = wish.validityStart || wish.validityEnd ? explicit(wish, bounds, now) : byLength(wish, bounds, now);
  const end = wish.validityEnd ? 'validityEnd' : wish.validityYears ? 'validityYears' : 'validityDays';
  if (validity.notAfter <= now) throw new ValidityRefused(end, 'Validity end must be in the future.');
  if (validity.notAfter <= validity.notBefore) throw new ValidityRefused('validityStart', 'Validity start must be before validity end.');
  if (validity.notBefore < startOfDay(bounds.caNotBefore)) {
    throw new ValidityRefused('validityStart', `Validity start must not be before ${bounds.caNotBefore.toISOString()}.`);
  }
  if (validity.notAfter > bounds.caNotAfter) {
    throw new ValidityRefused(end, `Validity end must not be after ${bounds.caNotAfter.toISOString()}.`);
  }
  const length = validity.notAfter.getTime() - validity.notBefore.getTime();
  if (bounds.maxDays !== null && length > bounds.maxDays * dayMs) {
    throw new ValidityRefused(end, `This authority issues for at most ${bounds.maxDays} days.`);
  }
  return validity;
}

/**
 * The dates of a renewal: as long as before, from now on, cut to what the authority allows. Throws ValidityRefused when
 * the authority itself ends too soon for the renewal to outlive the old certificate. A newer, lower cap is no such reason:
 * whoever renews early then gets less time, but a new key.
 */
export function renewedValidity(old: Validity, bounds: ValidityBounds, now: Date): Validity {
  const wanted = old.notAfter.getTime() - old.notBefore.getTime();
  const length = Math.min(wanted, (bounds.maxDays ?? Infinity) * dayMs);
  const notBefore = earlier(now, length, bounds);
  const wantedEnd = notBefore.getTime() + length;
  const notAfter = seconds(new Date(Math.min(wantedEnd, bounds.caNotAfter.getTime())));
  if (wantedEnd > bounds.caNotAfter.getTime() && notAfter <= old.notAfter) {
    throw new ValidityRefused('validityEnd',
      `The authority itself ends at ${bounds.caNotAfter.toISOString()}: a renewal would not outlive the certificate it replaces.`);
  }
  return { notBefore, notAfter };
}

function explicit(wish: ValidityWish, bounds: ValidityBounds, now: Date): Validity {
  const { validityStart: start, validityEnd: end } = wish;
  if (!end) throw new ValidityRefused('validityEnd', 'If validity start is specified so must validity end.');
  if (!bounds.allowWeekendEnd && isWeekend(end)) throw new ValidityRefused('validityEnd', 'Validity end must not land on a weekend.');
  const notBefore = start ?? earlier(now, end.getTime() - now.getTime(), bounds);
  return { notBefore: seconds(notBefore), notAfter: seconds(end) };
}

function byLength(wish: ValidityWish, bounds: ValidityBounds, now: Date): Validity {
  const days = wish.validityDays ?? Math.min(bounds.defaultDays, bounds.maxDays ?? Infinity);
  const notBefore = earlier(now, days * dayMs, bounds);
  if (wish.validityYears) return { notBefore, notAfter: yearsLater(notBefore, wish.validityYears) };
  const end = notBefore.getTime() + days * dayMs;
  // Nobody asked for this very length: a CA that ends earlier still serves.
  const cut = wish.validityDays ? end : Math.min(end, bounds.caNotAfter.getTime());
  return { notBefore, notAfter: workday(seconds(new Date(cut)), bounds, now) };
}

function earlier(now: Date, lengthMs: number, bounds: ValidityBounds): Date {
  const backdated = now.getTime() - Math.min(backdateMs, Math.max(0, lengthMs) / 20);
  return seconds(new Date(Math.max(backdated, Math.min(bounds.caNotBefore.getTime(), now.getTime()))));
}

/** Lemur's rule: whole years, and two days less when that would end on a weekend. */
function yearsLater(start: Date, years: number): Date {
  const end = new Date(start);
  end.setUTCFullYear(end.getUTCFullYear() + years);
  if (isWeekend(end)) end.setUTCDate(end.getUTCDate() - 2);
  return end;
}

/** The Friday before a weekend that is not wanted, unless that has passed. */
function workday(end: Date, { allowWeekendEnd }: ValidityBounds, now: Date): Date {
  if (allowWeekendEnd || !isWeekend(end)) return end;
  const friday = new Date(end.getTime() - (end.getUTCDay() === 6 ? 1 : 2) * dayMs);
  return friday > now ? friday : end;
}

function isWeekend(date: Date): boolean {
  return date.getUTCDay() === 0 || date.getUTCDay() === 6;
}

function startOfDay(date: Date): Date {
  return new Date(Math.floor(date.getTime() / dayMs) * dayMs);
}

function seconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}
