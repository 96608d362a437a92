import { describe, expect, it } from 'vitest';
import { lengthOf, paceOf } from './run-time.js';

describe('the time that a run takes', () => {
  it.each([
    [1, 1, 60_000],
    [60, 5, 5000],
    [6000, 100, 1000],
  ])('has at %i a minute steps of %i certificates, %i ms apart', (perMinute, count, waitMs) => {
    expect(paceOf(perMinute)).toEqual({ count, waitMs });
  });

  it.each([
    [0, 60, 0],
    [5, 60, 0],
    [6, 60, 5000],
    [3000, 1, 2999 * 60_000],
  ])('is for %i certificates at %i a minute from the first step to the last one', (certificates, perMinute, ms) => {
    expect(lengthOf(certificates, perMinute)).toBe(ms);
  });
});
