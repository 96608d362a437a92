import { describe, expect, it } from 'vitest';
import { renewedValidity, validityOf, type ValidityBounds } from './validity.js';

const day = 86_400_000;
const date = (text: string): Date => new Date(text);
const bounds: ValidityBounds = {
  caNotBefore: date('2014-06-01T12:00:00Z'), caNotAfter: date('2030-01-01T00:00:00Z'), maxDays: null, defaultDays: 365, allowWeekendEnd: true,
};
const now = date('2015-01-10T00:00:00Z');
const refusal = (work: () => unknown): string => {
  try { work(); } catch (error) { return `${(error as { field: string }).field}: ${(error as Error).message}`; }
  return 'granted';
};

describe('validity of a new certificate', () => {
  it('takes two days off when whole years end on a weekend', () => {
    const { notAfter } = validityOf({ validityYears: 1 }, bounds, now);
    expect(notAfter.toISOString().slice(0, 10)).toBe('2016-01-07');
    const fromMidnight = validityOf({ validityYears: 1 }, { ...bounds, caNotBefore: now }, now);
    expect(fromMidnight.notAfter.toISOString()).toBe('2016-01-08T00:00:00.000Z');
  });

  it('backdates by a minute, and by less for what lives for minutes, never before the CA', () => {
    expect(validityOf({}, bounds, now).notBefore).toEqual(new Date(now.getTime() - 60_000));
    expect(validityOf({ validityEnd: new Date(now.getTime() + 200_000) }, bounds, now).notBefore).toEqual(new Date(now.getTime() - 10_000));
    expect(validityOf({}, { ...bounds, caNotBefore: now }, now).notBefore).toEqual(now);
  });

  it('cuts a default that outlives the CA, but refuses such a wish', () => {
    const soon = { ...bounds, caNotAfter: new Date(now.getTime() + 10 * day) };
    expect(validityOf({}, soon, now).notAfter).toEqual(soon.caNotAfter);
    expect(refusal(() => validityOf({ validityDays: 11 }, soon, now))).toMatch(/^validityDays: Validity end must not be after/);
  });

  it('refuses what the rules do not allow, naming the field', () => {
    const wish = (start: string | undefined, end: string | undefined) => ({
      ...(start && { validityStart: date(start) }), ...(end && { validityEnd: date(end) }),
    });
    expect(refusal(() => validityOf(wish('2015-02-01', '2015-01-20'), bounds, now))).toMatch(/^validityStart: Validity start must be before validity end/);
    expect(refusal(() => validityOf(wish('2015-02-01', undefined), bounds, now))).toMatch(/^validityEnd: If validity start is specified/);
    expect(refusal(() => validityOf(wish('2014-05-31T23:59:59Z', '2016-01-12'), bounds, now))).toMatch(/^validityStart: Validity start must not be before/);
    expect(refusal(() => validityOf(wish(undefined, '2031-01-12'), bounds, now))).toMatch(/^validityEnd: Validity end must not be after/);
    expect(refusal(() => validityOf(wish(undefined, '2014-01-12'), bounds, now))).toMatch(/future|before validity end/);
    expect(refusal(() => validityOf(wish(undefined, '2016-01-10'), { ...bounds, allowWeekendEnd: false }, now))).toMatch(/weekend/);
    expect(refusal(() => validityOf({ validityDays: 201 }, { ...bounds, maxDays: 200 }, now))).toMatch(/at most 200 days/);
  });

  it('ends on the Friday before a weekend that is not wanted, if that is not over', () => {
    const weekdays = { ...bounds, allowWeekendEnd: false, caNotBefore: now };
    const end = (validityDays: number): string => validityOf({ validityDays }, weekdays, now).notAfter.toISOString().slice(0, 10);
    expect([6, 7, 8, 9].map(end)).toEqual(['2015-01-16', '2015-01-16', '2015-01-16', '2015-01-19']);
    expect(end(1)).toBe('2015-01-11');
    expect(validityOf({ validityDays: 7 }, { ...weekdays, allowWeekendEnd: true }, now).notAfter.getUTCDay()).toBe(6);
  });

  it('allows exactly the longest', () => {
    const { notBefore, notAfter } = validityOf({ validityDays: 200 }, { ...bounds, maxDays: 200 }, now);
    expect(notAfter.getTime() - notBefore.getTime()).toBe(200 * day);
  });
});

describe('validity of a renewal', () => {
  const old = { notBefore: date('2015-01-01T00:00:00Z'), notAfter: date('2015-04-01T00:00:00Z') };
  const later = date('2015-03-02T00:00:00Z');

  it('is as long as before', () => {
    const { notBefore, notAfter } = renewedValidity(old, bounds, later);
    expect(notAfter.getTime() - notBefore.getTime()).toBe(90 * day);
  });

  it('obeys a cap that is newer than the old certificate', () => {
    const { notBefore, notAfter } = renewedValidity(old, { ...bounds, maxDays: 47 }, later);
    expect(notAfter.getTime() - notBefore.getTime()).toBe(47 * day);
  });

  it('renews early under a lower cap, although that ends sooner', () => {
    const { notAfter } = renewedValidity({ ...old, notAfter: date('2015-08-01T00:00:00Z') }, { ...bounds, maxDays: 47 }, later);
    expect(notAfter < date('2015-08-01T00:00:00Z')).toBe(true);
  });

  it('refuses when the CA ends too early to help', () => {
    expect(refusal(() => renewedValidity(old, { ...bounds, caNotAfter: old.notAfter }, later))).toMatch(/would not outlive/);
  });
});
