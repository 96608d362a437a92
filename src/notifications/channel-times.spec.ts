import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { digestAt, quietUntil } from './channel-times.js';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase([]);
});
afterAll(() => test.drop());

interface Hours {
  from: string;
  to: string;
  timeZone: string;
}

const hourMs = 3_600_000;
const until = async (now: Date, hours: Hours): Promise<Date | null> => {
  const [row] = await test.source.query<[{ until: Date | null }]>(
    `select ${quietUntil} as until from (select $2::jsonb as quiet_hours) as channel`,
    [now, JSON.stringify(hours)],
  );
  return row.until;
};
/** What the clock on the wall shows, such as 02:30:15. */
const wallTime = (now: Date, timeZone: string): string =>
  new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'medium' }).format(now);
const isWithin = (now: Date, { from, to, timeZone }: Hours): boolean => {
  const time = wallTime(now, timeZone);
  return from < to ? time >= from && time < to : time >= from || time < to;
};

describe('quiet hours', () => {
  const berlin = (from: string, to: string): Hours => ({ from, to, timeZone: 'Europe/Berlin' });
  it.each<[string, string, Hours, string | null]>([
    ['on the day before a beginning that the clock skips', '2026-03-28T12:00:00Z', berlin('02:30', '03:00'), null],
    ['before a beginning that the clock skips', '2026-03-29T00:59:00Z', berlin('02:30', '03:00'), null],
    ['after hours that the clock skips', '2026-03-29T01:00:00Z', berlin('02:30', '03:00'), null],
    ['hours after that', '2026-03-29T12:00:00Z', berlin('02:30', '03:00'), null],
    [
      'after a beginning that the clock skips',
      '2026-03-29T01:00:00Z',
      berlin('02:30', '07:00'),
      '2026-03-29T05:00:00Z',
    ],
    ['before an end that the clock skips', '2026-03-29T00:59:00Z', berlin('22:00', '02:30'), '2026-03-29T01:30:00Z'],
    ['over midnight', '2026-07-01T21:00:00Z', berlin('22:00', '07:00'), '2026-07-02T05:00:00Z'],
    ['in an hour that comes twice, at first', '2026-10-25T00:40:00Z', berlin('02:30', '03:00'), '2026-10-25T02:00:00Z'],
    ['in an hour that comes twice, then', '2026-10-25T01:40:00Z', berlin('02:30', '03:00'), '2026-10-25T02:00:00Z'],
  ])('end at the right moment %s', async (_, now, hours, end) => {
    expect((await until(new Date(now), hours))?.toISOString() ?? null).toBe(end && new Date(end).toISOString());
  });

  it('apply exactly while the clock on the wall is within them, and end after at most a day', async () => {
    const zones = ['Europe/Berlin', 'Europe/Dublin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'UTC'];
    // Days of transitions in these zones, and one without.
    const days = ['2026-03-08', '2026-03-29', '2026-04-05', '2026-06-15', '2026-10-04', '2026-10-25', '2026-11-01'];
    const time = fc
      .tuple(fc.constantFrom(0, 1, 2, 3, 12, 23), fc.constantFrom(0, 30, 59))
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...zones),
        fc.constantFrom(...days),
        fc.integer({ min: -16 * 60, max: 32 * 60 }),
        time,
        time,
        async (timeZone, day, minutes, from, to) => {
          fc.pre(from !== to);
          const [now, hours] = [new Date(Date.parse(day) + minutes * 60_000), { from, to, timeZone }];
          const end = await until(now, hours);
          expect(end !== null).toBe(isWithin(now, hours));
          if (end === null) return;
          expect(end.getTime()).toBeGreaterThan(now.getTime());
          expect(end.getTime() - now.getTime()).toBeLessThanOrEqual(25 * hourMs);
          expect(isWithin(end, hours)).toBe(false);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('the time of a digest', () => {
  it('is always still to come, also in the hour that the clock shows twice', async () => {
    for (const timeZone of ['Europe/Berlin', 'Europe/Dublin', 'America/New_York'])
      for (let minutes = 0; minutes < 8 * 60; minutes += 10) {
        const day = timeZone === 'America/New_York' ? '2026-11-01T04:00Z' : '2026-10-24T23:00Z';
        const now = new Date(Date.parse(day) + minutes * 60_000);
        const [{ at }] = await test.source.query<[{ at: Date }]>(
          `select ${digestAt} as at from (select $2::jsonb as digest) as channel`,
          [now, JSON.stringify({ at: '01:30', timeZone })],
        );
        expect(at.getTime()).toBeGreaterThan(now.getTime());
        expect(wallTime(at, timeZone)).toBe('01:30:00');
      }
  });
});
