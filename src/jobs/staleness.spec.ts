import { describe, expect, it } from 'vitest';
import type { PeriodicStatus } from './periodic.repository.js';
import { isStale } from './staleness.js';

const status = (sinceSuccessS: number | null, pausedAt: Date | null = null): PeriodicStatus => ({
  name: 'a',
  lastStartedAt: null,
  lastSuccessAt: null,
  sinceSuccessS,
  lastError: null,
  failures: 0,
  running: false,
  pausedAt,
  pausedBy: null,
  wantedAt: null,
});

describe('a periodic task', () => {
  it.each([
    [3_600, 10_800, false],
    [3_600, 10_801, true],
    [20, 300, false],
    [20, 301, true],
  ])('with an interval of %i s that succeeded %i s ago is stale: %s', (intervalS, sinceS, stale) => {
    expect(isStale(intervalS, status(sinceS), 0)).toBe(stale);
  });

  it('that has never run is stale after the same time of waiting, for one whose process never started', () => {
    expect([isStale(20, undefined, 299), isStale(20, undefined, 301), isStale(20, status(null), 301)]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('that is paused is not stale', () => {
    expect(isStale(20, status(9_999, new Date()), 9_999)).toBe(false);
  });
});
