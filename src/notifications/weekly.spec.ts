import { expect, it } from 'vitest';
import { nextSummaryAt } from './weekly.js';

it.each([
  ['2026-05-03T23:00:00Z', '2026-05-04T08:00:00.000Z'],
  ['2026-05-04T07:59:59Z', '2026-05-04T08:00:00.000Z'],
  ['2026-05-04T08:00:00Z', '2026-05-11T08:00:00.000Z'],
  ['2026-12-30T12:00:00Z', '2027-01-04T08:00:00.000Z'],
])('the weekly summary after %s is due on Monday, at %s', (now, due) => {
  expect(nextSummaryAt(new Date(now)).toISOString()).toBe(due);
});
