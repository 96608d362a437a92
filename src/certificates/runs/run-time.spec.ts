import { describe, expect, it } from 'vitest';
import { lengthOf, paceOf } from './run-time.js';

describe('the time that a run takes', () => {
  it.each([
    [1, 1, 3_600_000],
    [60, 1, 60_000],
    [3600, 5, 5000],
    [360_000, 100, 1000],
    [null, 100, 0],
  ])('has at %s an hour steps of %i certificates, %i ms apart', (perHour, count, waitMs) => {
    expect(paceOf(perHour)).toEqual({ count, waitMs });
  });

  it.each([
    [0, 3600, 0],
    [5, 3600, 0],
    [6, 3600, 5000],
    [3000, 60, 2999 * 60_000],
    [3000, null, 0],
  ])('is for %i certificates at %s an hour from the first step to the last one', (certificates, perHour, ms) => {
    expect(lengthOf(certificates, perHour)).toBe(ms);
  });
});
