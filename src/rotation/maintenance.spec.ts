import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Maintenance, nextOpeningAt, nextOpenings, offsetMs } from './maintenance.js';

const hourMs = 3_600_000;
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const every = [...weekdays];

const openings = (maintenance: Maintenance, at: string, count = 3): string[] =>
  nextOpenings(maintenance, new Date(at), count).map(({ from, to }) => `${from.toISOString()} ${to.toISOString()}`);

const berlin = (from: string, to: string, days: Maintenance['windows'][number]['weekdays'] = every): Maintenance => ({
  timeZone: 'Europe/Berlin',
  windows: [{ weekdays: days, from, to }],
});

/** What a clock on a wall shows, by another way than the code: as text. */
function wall(timeZone: string, at: number): { weekday: string; time: string } {
  const text = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(at);
  const [weekday = '', time = ''] = text.split(/,? /);
  return { weekday: weekday.toLowerCase(), time };
}

/** The definition: the clock on the wall shows a time in a window. */
function isOpen({ timeZone, windows }: Maintenance, at: number): boolean {
  const { weekday, time } = wall(timeZone, at);
  const dayBefore = weekdays[(weekdays.indexOf(weekday as 'sun') + 6) % 7] as (typeof weekdays)[number];
  return windows.some(({ weekdays: days, from, to }) => {
    const begun = days.includes(weekday as 'sun') && time >= from && (to <= from || time < to);
    return begun || (to <= from && days.includes(dayBefore) && time < to);
  });
}

const time = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom('00', '15', '30', '59'))
  .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${minute}`);
const maintenance = fc.record({
  timeZone: fc.constantFrom(
    ...['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia'],
    ...['Etc/GMT+12', 'Etc/GMT-14', 'Pacific/Kiritimati', 'America/Havana', 'Africa/Casablanca', 'Antarctica/Troll'],
  ),
  windows: fc.array(
    fc.record({ weekdays: fc.uniqueArray(fc.constantFrom(...weekdays), { minLength: 1 }), from: time, to: time }),
    { minLength: 1, maxLength: 3 },
  ),
});
/** Close to days on which the clocks of some zone change, and Samoa's lost day. */
const moment = fc
  .tuple(
    fc.constantFrom('2026-03-29', '2026-10-25', '2026-03-08', '2026-11-01', '2026-04-05', '2026-10-04', '2011-12-30'),
    fc.integer({ min: -3 * 24 * 60, max: 3 * 24 * 60 }),
  )
  .map(([day, minutes]) => Date.parse(`${day}T00:00:00Z`) + minutes * 60_000);

describe('nextOpenings', () => {
  it('is open exactly while the clock on the wall shows a time in a window, in zones from -12 to +14 hours', () => {
    fc.assert(
      fc.property(maintenance, moment, fc.integer({ min: 0, max: 3 * 24 * 60 }), (one, at, later) => {
        const probe = at + later * 60_000;
        const found = nextOpenings(one, new Date(at), 1000);
        expect(found.some(({ from, to }) => from.getTime() <= probe && probe < to.getTime())).toBe(isOpen(one, probe));
      }),
      { numRuns: 400 },
    );
  });

  it('gives openings in order, apart from one another, that end after the moment', () => {
    fc.assert(
      fc.property(maintenance, moment, (one, at) => {
        const found = nextOpenings(one, new Date(at), 3);
        expect(found).toEqual(nextOpenings(one, new Date(at), 4).slice(0, 3));
        const edges = found.flatMap(({ from, to }) => [from.getTime(), to.getTime()]);
        expect(edges).toEqual([...new Set(edges)].sort((a, b) => a - b));
        if (found[0]) expect(found[0].to.getTime()).toBeGreaterThan(at);
      }),
      { numRuns: 200 },
    );
  });

  it('opens nothing at a time that the clock skips, and shortens a window around it', () => {
    expect(openings(berlin('02:00', '03:00'), '2026-03-28T12:00:00Z', 1)).toEqual([
      '2026-03-30T00:00:00.000Z 2026-03-30T01:00:00.000Z',
    ]);
    expect(openings(berlin('01:00', '04:00'), '2026-03-28T12:00:00Z', 1)).toEqual([
      '2026-03-29T00:00:00.000Z 2026-03-29T02:00:00.000Z',
    ]);
  });

  it('opens twice at a time that the clock shows twice', () => {
    expect(openings(berlin('02:15', '02:45'), '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:15:00.000Z 2026-10-25T00:45:00.000Z',
      '2026-10-25T01:15:00.000Z 2026-10-25T01:45:00.000Z',
    ]);
    expect(openings(berlin('02:00', '03:00'), '2026-10-24T12:00:00Z', 1)).toEqual([
      '2026-10-25T00:00:00.000Z 2026-10-25T02:00:00.000Z',
    ]);
  });

  it('crosses midnight into a day that is not named', () => {
    const saturday = berlin('22:00', '04:00', ['sat']);
    expect(openings(saturday, '2026-01-03T12:00:00Z', 2)).toEqual([
      '2026-01-03T21:00:00.000Z 2026-01-04T03:00:00.000Z',
      '2026-01-10T21:00:00.000Z 2026-01-11T03:00:00.000Z',
    ]);
    const at = new Date('2026-01-04T02:59:59Z');
    expect(nextOpeningAt(saturday, at)).toEqual(at);
    expect(nextOpeningAt(saturday, new Date('2026-01-04T03:00:00Z'))).toEqual(new Date('2026-01-10T21:00:00Z'));
  });

  it('joins windows that touch, and lasts a day when it closes at the time at which it opens', () => {
    const weekend = berlin('00:00', '00:00', ['sat', 'sun']);
    expect(openings(weekend, '2026-01-01T00:00:00Z', 1)).toEqual(['2026-01-02T23:00:00.000Z 2026-01-04T23:00:00.000Z']);
  });

  it('knows offsets that are no whole hours', () => {
    expect(offsetMs('Asia/Kathmandu', Date.parse('2026-01-01T00:00:00Z'))).toBe(5.75 * hourMs);
    expect(offsetMs('Australia/Lord_Howe', Date.parse('2026-06-01T00:00:00Z'))).toBe(10.5 * hourMs);
  });
});

describe('Maintenance', () => {
  const window = { weekdays: ['mon'], from: '22:00', to: '04:00' };
  it.each([
    ['a time zone that nobody has', { timeZone: 'Mars/Olympus', windows: [window] }],
    ['an offset instead of a time zone', { timeZone: '+02:00', windows: [window] }],
    ['no window', { timeZone: 'UTC', windows: [] }],
    ['no weekday', { timeZone: 'UTC', windows: [{ ...window, weekdays: [] }] }],
    ['a weekday twice', { timeZone: 'UTC', windows: [{ ...window, weekdays: ['mon', 'mon'] }] }],
    ['the hour 24', { timeZone: 'UTC', windows: [{ ...window, to: '24:00' }] }],
    ['a cron line', { timeZone: 'UTC', windows: [{ ...window, from: '0 22 * * *' }] }],
  ])('refuses %s', (_, value) => {
    expect(Maintenance.safeParse(value).success).toBe(false);
  });

  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+12'])(
    'takes the time zone %s',
    (zone) => {
      expect(Maintenance.safeParse({ timeZone: zone, windows: [window] }).success).toBe(true);
    },
  );
});
