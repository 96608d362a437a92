import { expect, it } from 'vitest';
import { lastSummaryAt, nextSummaryAt } from './weekly.js';

it.each([
  ['2026-05-03T23:00:00Z', '2026-05-04T08:00:00.000Z'],
  ['2026-05-04T07:59:59Z', '2026-05-04T08:00:00.000Z'],
  ['2026-05-04T08:00:00Z', '2026-05-11T08:00:00.000Z'],
  ['2026-12-30T12:00:00Z', '2027-01-04T08:00:00.000Z'],
])('the weekly summary after %s is due on Monday, at %s', (now, due) => {
  expect(nextSummaryAt(new Date(now)).toISOString()).toBe(due);
});

it.each([
  ['2026-05-04T07:59:59Z', '2026-04-27T08:00:00.000Z'],
  ['2026-05-04T08:00:00Z', '2026-05-04T08:00:00.000Z'],
  ['2026-05-10T23:00:00Z', '2026-05-04T08:00:00.000Z'],
])('the weekly summary before %s was due on Monday, at %s', (now, due) => {
  expect(lastSummaryAt(new Date(now)).toISOString()).toBe(due);
});
