import { describe, expect, it } from 'vitest';
import { issuanceCap } from '../../authorities/limits.js';
import { datesWhenAsked, lengthFault, renewedValidity, validityOf, type ValidityBounds } from './validity.js';

const day = 86_400_000;
const date = (text: string): Date => new Date(text);
const bounds: ValidityBounds = {
  caNotBefore: date('2014-06-01T12:00:00Z'),
  caNotAfter: date('2030-01-01T00:00:00Z'),
  capAt: () => null,
  backdateMs: 60_000,
  defaultDays: 365,
  allowWeekendEnd: true,
  cutsAtCa: false,
};
const atMost = (maxDays: number | null, publicTls = false) => ({
  capAt: (at: Date) => issuanceCap({ maxDays, publicTls }, at),
});
const now = date('2015-01-10T00:00:00Z');
const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return `${(error as { field: string }).field}: ${(error as Error).message}`;
  }
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
    expect(validityOf({ validityEnd: new Date(now.getTime() + 200_000) }, bounds, now).notBefore).toEqual(
      new Date(now.getTime() - 10_000),
    );
    expect(validityOf({}, { ...bounds, caNotBefore: now }, now).notBefore).toEqual(now);
  });

  it('cuts a default that outlives the CA, but refuses such a wish', () => {
    const soon = { ...bounds, caNotAfter: new Date(now.getTime() + 10 * day) };
    expect(validityOf({}, soon, now).notAfter).toEqual(soon.caNotAfter);
    expect(refusal(() => validityOf({ validityDays: 11 }, soon, now))).toMatch(
      /^validityDays: Validity end must not be after/,
    );
  });

  it.each([
    ['a length in days', { validityDays: 11 }, 11 * day - 60_000],
    ['a length in years', { validityYears: 1 }, null],
    ['an end', { validityEnd: new Date(now.getTime() + 20 * day) }, 20 * day],
    ['the default length', {}, null],
  ])('cuts %s to the end of a CA that shortens, and says what was asked', (_, wish, askedMs) => {
    const ca = { ...bounds, caNotAfter: new Date(now.getTime() + 10 * day + 500), cutsAtCa: true };
    const { notAfter, askedNotAfter } = validityOf(wish, ca, now);
    expect(notAfter).toEqual(new Date(now.getTime() + 10 * day));
    if (askedMs !== null) expect(askedNotAfter).toEqual(new Date(now.getTime() + askedMs));
  });

  it('shortens nothing that ends with the CA, and gives no validity after the end of the CA', () => {
    const ca = { ...bounds, caNotAfter: new Date(now.getTime() + 10 * day), cutsAtCa: true };
    expect(validityOf({ validityEnd: ca.caNotAfter }, ca, now).askedNotAfter).toBeUndefined();
    const ended = { ...ca, caNotAfter: new Date(now.getTime() - 1000) };
    expect(refusal(() => validityOf({ validityDays: 5 }, ended, now))).toMatch(/must be in the future/);
  });

  it('ends on the Friday before the end of a CA that shortens when it must not end on a weekend', () => {
    const ca = { ...bounds, caNotAfter: date('2015-01-18T12:00:00Z'), allowWeekendEnd: false, cutsAtCa: true };
    expect(validityOf({ validityDays: 60 }, ca, now).notAfter).toEqual(date('2015-01-16T12:00:00Z'));
  });

  it('refuses what the rules do not allow, naming the field', () => {
    const wish = (start: string | undefined, end: string | undefined) => ({
      ...(start && { validityStart: date(start) }),
      ...(end && { validityEnd: date(end) }),
    });
    expect(refusal(() => validityOf(wish('2015-02-01', '2015-01-20'), bounds, now))).toMatch(
      /^validityStart: Validity start must be before validity end/,
    );
    expect(refusal(() => validityOf(wish('2015-02-01', undefined), bounds, now))).toMatch(
      /^validityEnd: If validity start is specified/,
    );
    expect(refusal(() => validityOf(wish('2014-05-31T23:59:59Z', '2016-01-12'), bounds, now))).toMatch(
      /^validityStart: Validity start must not be before/,
    );
    expect(refusal(() => validityOf(wish(undefined, '2031-01-12'), bounds, now))).toMatch(
      /^validityEnd: Validity end must not be after/,
    );
    expect(refusal(() => validityOf(wish(undefined, '2014-01-12'), bounds, now))).toMatch(/future|before validity end/);
    expect(
      refusal(() => validityOf(wish(undefined, '2016-01-10'), { ...bounds, allowWeekendEnd: false }, now)),
    ).toMatch(/weekend/);
    expect(validityOf(wish('2015-01-08', '2016-01-12'), bounds, now).notBefore).toEqual(date('2015-01-08'));
    expect(refusal(() => validityOf(wish('2015-01-07T23:59:59Z', '2016-01-12'), bounds, now))).toMatch(
      /^validityStart: .* 48 hours/,
    );
    expect(refusal(() => validityOf({ validityDays: 201 }, { ...bounds, ...atMost(200) }, now))).toMatch(
      /at most 200 days/,
    );
  });

  it('ends on the Friday before a weekend that is not wanted, if that is not over', () => {
    const weekdays = { ...bounds, allowWeekendEnd: false, caNotBefore: now };
    const end = (validityDays: number): string =>
      validityOf({ validityDays }, weekdays, now).notAfter.toISOString().slice(0, 10);
    expect([6, 7, 8, 9].map(end)).toEqual(['2015-01-16', '2015-01-16', '2015-01-16', '2015-01-19']);
    expect(end(1)).toBe('2015-01-11');
    expect(validityOf({ validityDays: 7 }, { ...weekdays, allowWeekendEnd: true }, now).notAfter.getUTCDay()).toBe(6);
  });

  it('allows exactly the longest', () => {
    const { notBefore, notAfter } = validityOf({ validityDays: 200 }, { ...bounds, ...atMost(200) }, now);
    expect(notAfter.getTime() - notBefore.getTime()).toBe(200 * day);
  });
});

describe('the limits of publicly trusted TLS', () => {
  const ca = {
    ...bounds,
    caNotBefore: date('2020-01-01T00:00:00Z'),
    caNotAfter: date('2040-01-01T00:00:00Z'),
    ...atMost(null, true),
  };
  const seconds = ({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }): number =>
    (notAfter.getTime() - notBefore.getTime()) / 1000;

  it('count both ends, so that 200 days are a second less between them', () => {
    const at = date('2026-03-15T00:00:00Z');
    for (const wish of [{}, { validityDays: 200 }]) expect(seconds(validityOf(wish, ca, at))).toBe(200 * 86_400 - 1);
    expect(refusal(() => validityOf({ validityDays: 201 }, ca, at))).toBe(
      'validityDays: This authority issues for at most 200 days.',
    );
    expect(refusal(() => validityOf({ validityYears: 1 }, ca, at))).toBe(
      'validityYears: This authority issues for at most 200 days.',
    );
    const from = (end: string) => ({ validityStart: date('2026-03-20T00:00:00Z'), validityEnd: date(end) });
    expect(seconds(validityOf(from('2026-10-05T23:59:59Z'), ca, at))).toBe(200 * 86_400 - 1);
    expect(refusal(() => validityOf(from('2026-10-06T00:00:00Z'), ca, at))).toBe(
      'validityEnd: This authority issues for at most 200 days.',
    );
  });

  it('are those of the day of issuance, or of a later beginning', () => {
    const granted = (at: string): number => Math.ceil(seconds(validityOf({}, ca, date(at))) / 86_400);
    expect(
      ['2026-03-14T23:59:59Z', '2026-03-15T00:00:00Z', '2027-03-15T00:00:00Z', '2029-03-15T00:00:00Z'].map(granted),
    ).toEqual([365, 200, 100, 47]);
    const later = { validityStart: date('2027-03-15T00:00:00Z'), validityEnd: date('2027-07-01T00:00:00Z') };
    expect(refusal(() => validityOf(later, ca, date('2027-03-01T00:00:00Z')))).toMatch(/at most 100 days/);
  });

  it('yield to a lower limit of the authority', () => {
    expect(seconds(validityOf({}, { ...ca, ...atMost(30, true) }, date('2027-01-01T00:00:00Z')))).toBe(30 * 86_400);
    expect(seconds(validityOf({}, { ...ca, ...atMost(300, true) }, date('2027-01-01T00:00:00Z')))).toBe(
      200 * 86_400 - 1,
    );
  });

  it('leave room for an end that is within them from now on', () => {
    const at = date('2026-06-01T00:00:00Z');
    const end = new Date(at.getTime() + 200 * day - 1000);
    expect(seconds(validityOf({ validityEnd: end }, ca, at))).toBe(200 * 86_400 - 1);
    expect(refusal(() => validityOf({ validityEnd: new Date(end.getTime() + 1000) }, ca, at))).toMatch(
      /at most 200 days/,
    );
  });

  it('cut a renewal, and never refuse it', () => {
    const old = { notBefore: date('2026-03-01T00:00:00Z'), notAfter: date('2027-04-03T00:00:00Z') };
    expect(seconds(renewedValidity(old, ca, date('2027-03-16T00:00:00Z')))).toBe(100 * 86_400 - 1);
    expect(seconds(renewedValidity(old, ca, date('2029-03-15T00:00:00Z')))).toBe(47 * 86_400 - 1);
  });

  it('judge an import by when its validity began', () => {
    const imported = (start: string, end: string) => lengthFault({ notBefore: date(start), notAfter: date(end) }, ca);
    expect(imported('2025-06-01T00:00:00Z', '2026-07-03T23:59:59Z')).toBeNull();
    expect(imported('2026-06-01T00:00:00Z', '2027-07-03T23:59:59Z')).toBe(
      'This authority issues for at most 200 days.',
    );
  });
});

describe('validity of a renewal', () => {
  const old = { notBefore: date('2015-01-01T00:00:00Z'), notAfter: date('2015-04-01T00:00:00Z') };
  const later = date('2015-03-02T00:00:00Z');

  it('is as long as before', () => {
    const { notBefore, notAfter } = renewedValidity(old, bounds, later);
    expect(notAfter.getTime() - notBefore.getTime()).toBe(90 * day);
  });

  it('is as long as was asked once the CA lives long enough, and says what was asked until then', () => {
    const cut = { ...old, askedNotAfter: date('2016-01-01T00:00:00Z') };
    const { notBefore, notAfter, askedNotAfter } = renewedValidity(cut, bounds, later);
    expect([notAfter.getTime() - notBefore.getTime(), askedNotAfter]).toEqual([365 * day, undefined]);
    const soon = { ...bounds, caNotAfter: date('2015-06-01T00:00:00Z') };
    const again = renewedValidity(cut, soon, later);
    expect(again.notAfter).toEqual(soon.caNotAfter);
    expect((again.askedNotAfter?.getTime() ?? 0) - again.notBefore.getTime()).toBe(365 * day);
  });

  it('obeys a cap that is newer than the old certificate', () => {
    const { notBefore, notAfter } = renewedValidity(old, { ...bounds, ...atMost(47) }, later);
    expect(notAfter.getTime() - notBefore.getTime()).toBe(47 * day);
  });

  it('renews early under a lower cap, although that ends sooner', () => {
    const { notAfter } = renewedValidity(
      { ...old, notAfter: date('2015-08-01T00:00:00Z') },
      { ...bounds, ...atMost(47) },
      later,
    );
    expect(notAfter < date('2015-08-01T00:00:00Z')).toBe(true);
  });

  it('refuses when the CA ends too early to help', () => {
    expect(refusal(() => renewedValidity(old, { ...bounds, caNotAfter: old.notAfter }, later))).toMatch(
      /would not outlive/,
    );
  });
});

describe('datesWhenAsked', () => {
  const dated = atMost(null, true);
  const planned = { notBefore: date('2027-03-01T00:00:00Z'), notAfter: date('2027-09-01T00:00:00Z') };
  const asked = (now: string, validity = planned) => datesWhenAsked(validity, dated, date(now));

  it('keeps what may still be so', () => {
    expect(asked('2027-03-14T00:00:00Z')).toEqual(planned);
    const short = { ...planned, notAfter: date('2027-05-01T00:00:00Z') };
    expect(asked('2027-04-01T00:00:00Z', short)).toEqual(short);
  });

  it('follows limits that have become lower since, and ends no later than planned', () => {
    const { notBefore, notAfter } = asked('2027-03-15T12:00:00.500Z');
    expect(notBefore).toEqual(date('2027-03-15T12:00:00Z'));
    expect((notAfter.getTime() - notBefore.getTime()) / 1000).toBe(100 * 86_400 - 1);
    expect(asked('2027-08-01T00:00:00Z')).toEqual({
      notBefore: date('2027-08-01T00:00:00Z'),
      notAfter: planned.notAfter,
    });
  });
});
