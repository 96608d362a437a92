import type { LoadedAuthority } from '../../authorities/authorities.js';
import type { UsedProfile } from '../../profiles/known-profiles.js';
import { issuanceCap, type IssuanceCap } from '../../authorities/limits.js';

// Pure functions that decide the dates of certificates: of new ones, of renewals, and of orders that are placed late.

/** The validity period that a request asks for: start and end, or one of the lengths, or nothing. */
export interface ValidityWish {
  validityStart?: Date;
  validityEnd?: Date;
  validityYears?: number;
  validityDays?: number;
}

/** The limits of the issuing authority on validity periods. A day has 86,400 s. */
export interface ValidityBounds {
  caNotBefore: Date;
  caNotAfter: Date;
  /** The longest validity period of a certificate that is issued at this time; null without a limit. */
  capAt: (issuedAt: Date) => IssuanceCap | null;
  defaultDays: number;
  /** How long before now a certificate is valid. */
  backdateMs: number;
  allowWeekendEnd: boolean;
  /** Whether a requested end after that of the CA is cut to it, or refused. */
  cutsAtCa: boolean;
}

/** A validity period (RFC 5280 §4.1.2.5), both ends included. */
export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

/** A validity period that was decided. `askedNotAfter`: its end, had it not been cut to that of the CA. */
export interface DecidedValidity extends Validity {
  askedNotAfter?: Date;
}

/** Only the dates of an object that has more members. */
export function datesOf({ notBefore, notAfter }: Validity): Validity {
  return { notBefore, notAfter };
}

/** The requested validity period is not allowed. `field`: the member of the request to blame. */
export class ValidityRefused extends Error {
  constructor(
    readonly field: 'validityStart' | 'validityEnd' | 'validityYears' | 'validityDays',
    message: string,
  ) {
    super(message);
  }
}

const dayMs = 86_400_000;
/** How far in the past a requested start may be, as in the CA/Browser Forum Baseline Requirements §7.1.2.7. */
const mostBackdatedMs = 2 * dayMs;
/** New certificates are valid from a little before now, because the clocks of clients differ. */
const backdateMs = 60_000;

/** The limits of this authority. `settings`: the default length, and whether an end on a weekend is allowed. */
export function boundsOf(
  { authority, limits }: Pick<LoadedAuthority, 'authority' | 'limits'>,
  settings: { defaultValidityDays: number; allowWeekendExpiration: boolean },
): ValidityBounds {
  return {
    caNotBefore: authority.notBefore,
    caNotAfter: authority.notAfter,
    capAt: (issuedAt) => issuanceCap(limits, issuedAt),
    defaultDays: authority.defaultValidityDays ?? settings.defaultValidityDays,
    backdateMs,
    allowWeekendEnd: settings.allowWeekendExpiration,
    cutsAtCa: authority.validityBeyondCa === 'shorten',
  };
}

/** The bounds as a profile narrows them. */
export function withinProfile(bounds: ValidityBounds, profile: UsedProfile | null): ValidityBounds {
  const { maxDays, defaultDays = bounds.defaultDays, backdateMinutes } = profile?.rules.validity ?? {};
  if (!profile?.rules.validity) return bounds;
  const own =
    maxDays === undefined ? null : { days: maxDays, longestMs: maxDays * dayMs, by: `Profile ${profile.name}` };
  return {
    ...bounds,
    capAt: (issuedAt) => tighter(bounds.capAt(issuedAt), own),
    defaultDays,
    backdateMs: backdateMinutes === undefined ? bounds.backdateMs : backdateMinutes * 60_000,
  };
}

function tighter(cap: IssuanceCap | null, own: IssuanceCap | null): IssuanceCap | null {
  return own === null || (cap !== null && cap.longestMs <= own.longestMs) ? cap : own;
}

/** The dates of a new certificate. Seconds precision. Throws ValidityRefused. */
export function validityOf(wish: ValidityWish, bounds: ValidityBounds, now: Date): DecidedValidity {
  // A later start counts as the date of issuance, as linters see it: the stricter limits of that day apply.
  const cap = bounds.capAt(wish.validityStart && wish.validityStart > now ? wish.validityStart : now);
  const asked =
    wish.validityStart || wish.validityEnd
      ? explicit(wish, { ...bounds, cap }, now)
      : byLength(wish, { ...bounds, cap }, now);
  const validity = bounds.cutsAtCa ? cutAtCa(asked, bounds, now) : asked;
  const end = wish.validityEnd ? 'validityEnd' : wish.validityYears ? 'validityYears' : 'validityDays';
  if (validity.notAfter <= now) throw new ValidityRefused(end, 'Validity end must be in the future.');
  if (validity.notAfter <= validity.notBefore)
    throw new ValidityRefused('validityStart', 'Validity start must be before validity end.');
  demandWithin(validity, bounds, now, end);
  if (isTooLong(validity, cap)) throw new ValidityRefused(end, tooLong(cap));
  return validity;
}

/** An end after that of the CA is cut to it, and does not land on a weekend that is not allowed. */
function cutAtCa(asked: Validity, bounds: ValidityBounds, now: Date): DecidedValidity {
  if (asked.notAfter <= bounds.caNotAfter) return asked;
  const notAfter = workday(seconds(bounds.caNotAfter), bounds, now);
  return { notBefore: asked.notBefore, notAfter, askedNotAfter: asked.notAfter };
}

/** Throws ValidityRefused for a start too early, or for an end after that of the CA, which blames `end`. */
function demandWithin(
  { notBefore, notAfter }: Validity,
  { caNotBefore, caNotAfter }: ValidityBounds,
  now: Date,
  end: ValidityRefused['field'],
): void {
  if (notBefore < startOfDay(caNotBefore)) {
    throw new ValidityRefused('validityStart', `Validity start must not be before ${caNotBefore.toISOString()}.`);
  }
  if (notBefore.getTime() < now.getTime() - mostBackdatedMs)
    throw new ValidityRefused('validityStart', 'Validity start must not be more than 48 hours ago.');
  if (notAfter > caNotAfter)
    throw new ValidityRefused(end, `Validity end must not be after ${caNotAfter.toISOString()}.`);
}

/**
 * The error text when an authority has issued a certificate elsewhere for longer than its limit; null otherwise. Its
 * notBefore counts as the date of issuance.
 */
export function lengthFault(validity: Validity, { capAt }: Pick<ValidityBounds, 'capAt'>): string | null {
  const cap = capAt(validity.notBefore);
  return isTooLong(validity, cap) ? tooLong(cap) : null;
}

/**
 * The dates of a request at the time when the issuer is asked. When a limit has become lower since the request, they
 * are cut to the limit and begin now, unless the planned start is later. The end is never later than planned.
 */
export function datesWhenAsked(
  { notBefore, notAfter }: Validity,
  { capAt }: Pick<ValidityBounds, 'capAt'>,
  now: Date,
): Validity {
  const start = notBefore > now ? notBefore : seconds(now);
  const cap = capAt(start);
  if (!isTooLong({ notBefore, notAfter }, cap)) return { notBefore, notAfter };
  return {
    notBefore: start,
    notAfter: seconds(new Date(Math.min(notAfter.getTime(), start.getTime() + cap.longestMs))),
  };
}

function isTooLong({ notBefore, notAfter }: Validity, cap: IssuanceCap | null): cap is IssuanceCap {
  return cap !== null && notAfter.getTime() - notBefore.getTime() > cap.longestMs;
}

function tooLong({ days, by = 'This authority' }: IssuanceCap): string {
  return `${by} issues for at most ${days} days.`;
}

/**
 * The dates of a renewal: as long as before, or as was asked before it was cut to the end of the CA, from now on, cut
 * to the limits of the authority. Throws ValidityRefused
 * when the authority expires so soon that the renewal would not outlive the old certificate. A lower limit of the
 * authority alone never refuses a renewal, even when it then expires earlier.
 */
export function renewedValidity(old: DecidedValidity, bounds: ValidityBounds, now: Date): DecidedValidity {
  const wanted = (old.askedNotAfter ?? old.notAfter).getTime() - old.notBefore.getTime();
  const length = Math.min(wanted, bounds.capAt(now)?.longestMs ?? Infinity);
  const notBefore = earlier(now, length, bounds);
  const wantedEnd = notBefore.getTime() + length;
  const notAfter = seconds(new Date(Math.min(wantedEnd, bounds.caNotAfter.getTime())));
  if (wantedEnd > bounds.caNotAfter.getTime() && notAfter <= old.notAfter) {
    throw new ValidityRefused(
      'validityEnd',
      `The authority itself ends at ${bounds.caNotAfter.toISOString()}: a renewal ` +
        'would not outlive the certificate it replaces.',
    );
  }
  const isCut = wantedEnd > bounds.caNotAfter.getTime();
  return { notBefore, notAfter, ...(isCut && { askedNotAfter: seconds(new Date(wantedEnd)) }) };
}

function explicit(wish: ValidityWish, bounds: ValidityBounds & { cap: IssuanceCap | null }, now: Date): Validity {
  const { validityStart: start, validityEnd: end } = wish;
  if (!end) throw new ValidityRefused('validityEnd', 'If validity start is specified so must validity end.');
  if (!bounds.allowWeekendEnd && isWeekend(end))
    throw new ValidityRefused('validityEnd', 'Validity end must not land on a weekend.');
  // No backdating beyond the limit, so that an end that is just within the limit from now stays allowed.
  const first = Math.min(now.getTime(), end.getTime() - (bounds.cap?.longestMs ?? Infinity));
  const notBefore = start ?? new Date(Math.max(first, earlier(now, end.getTime() - now.getTime(), bounds).getTime()));
  return { notBefore: seconds(notBefore), notAfter: seconds(end) };
}

function byLength(wish: ValidityWish, bounds: ValidityBounds & { cap: IssuanceCap | null }, now: Date): Validity {
  const { cap } = bounds;
  const days = wish.validityDays ?? bounds.defaultDays;
  if (wish.validityDays && cap && days > cap.days) throw new ValidityRefused('validityDays', tooLong(cap));
  const length = Math.min(days * dayMs, cap?.longestMs ?? Infinity);
  const notBefore = earlier(now, length, bounds);
  if (wish.validityYears) return { notBefore, notAfter: yearsLater(notBefore, wish.validityYears) };
  const end = notBefore.getTime() + length;
  // A default length is cut to the end of the CA; a requested length is not.
  const cut = wish.validityDays ? end : Math.min(end, bounds.caNotAfter.getTime());
  return { notBefore, notAfter: workday(seconds(new Date(cut)), bounds, now) };
}

function earlier(now: Date, lengthMs: number, bounds: ValidityBounds): Date {
  const backdated = now.getTime() - Math.min(bounds.backdateMs, Math.max(0, lengthMs) / 20);
  return seconds(new Date(Math.max(backdated, Math.min(bounds.caNotBefore.getTime(), now.getTime()))));
}

/** Lemur's rule: whole years, minus two days when the end would be on a weekend. */
function yearsLater(start: Date, years: number): Date {
  const end = new Date(start);
  end.setUTCFullYear(end.getUTCFullYear() + years);
  if (isWeekend(end)) end.setUTCDate(end.getUTCDate() - 2);
  return end;
}

/** The Friday before when `end` is on a weekend that is not allowed, unless this Friday has passed. */
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
