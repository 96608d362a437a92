import { expect, it } from 'vitest';
import { spikesOf } from './calendar.js';

const day = (date: string, renewals: number, authorities: [string, number][] = []) => ({
  date,
  renewals,
  endsWithoutPlan: 0,
  authorities: authorities.map(([name, count], id) => ({ id, name, renewals: count, endsWithoutPlan: 0 })),
});

it('names the days with three times the renewals of the average day, and whose they are', () => {
  const days = [
    day('2026-03-01', 4),
    day('2026-03-05', 60, [
      ['R3', 10],
      ['R4', 50],
    ]),
    day('2026-03-09', 16),
  ];
  expect(spikesOf(days, 10)).toEqual([
    { date: '2026-03-05', renewals: 60, text: '2026-03-05: 60 renewals, 8 times the average day, 50 of them of R4.' },
  ]);
});

it('calls a handful of renewals no spike', () => {
  expect(spikesOf([day('2026-03-01', 9)], 90)).toEqual([]);
  expect(spikesOf([], 90)).toEqual([]);
});
