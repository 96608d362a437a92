import { expect, it } from 'vitest';
import { publicTlsMaxDays } from './public-tls.js';

it.each([
  ['2020-09-01T00:00:00Z', 398],
  ['2026-03-14T23:59:59Z', 398],
  ['2026-03-15T00:00:00Z', 200],
  ['2027-03-14T23:59:59Z', 200],
  ['2027-03-15T00:00:00Z', 100],
  ['2029-03-14T23:59:59Z', 100],
  ['2029-03-15T00:00:00Z', 47],
  ['2050-01-01T00:00:00Z', 47],
])('a certificate issued at %s is valid for at most %i days', (at, days) => {
  expect(publicTlsMaxDays(new Date(at))).toBe(days);
});
