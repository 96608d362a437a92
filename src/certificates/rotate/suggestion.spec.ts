import { describe, expect, it } from 'vitest';
import { suggestionOf } from './suggestion.js';

const day = 86_400_000;
const start = new Date('2026-01-01T00:00:00Z');
const after = (days: number): Date => new Date(start.getTime() + days * day);
const certificate = { notBefore: start, notAfter: after(90) };
const windowOf = (from: number, to: number) => ({ windowStart: after(from), windowEnd: after(to) });
const usual = windowOf(59, 61);

describe('the window that a CA suggests', () => {
  it('has a moment in it, and no deadline where it is a usual one', () => {
    const found = suggestionOf(usual, null, certificate);
    expect(found).toMatchObject({ ...usual, lastAt: null, explanationUrl: null });
    expect(found?.suggestedAt.getTime()).toBeGreaterThanOrEqual(after(59).getTime());
    expect(found?.suggestedAt.getTime()).toBeLessThan(after(61).getTime());
    expect(suggestionOf(windowOf(3, 2), null, certificate)).toBeNull();
  });

  it('has the same moments when it is told again', () => {
    const first = suggestionOf(windowOf(10, 11), null, certificate);
    expect(suggestionOf(windowOf(10, 11), first, certificate)).toEqual(first);
  });

  it.each([
    ['ends in the first half of the lifetime', windowOf(20, 21), null],
    ['is another one than before', windowOf(65, 66), suggestionOf(usual, null, certificate)],
  ])('is a deadline when it %s: in its last tenth nothing holds the renewal', (_, suggested, known) => {
    for (let n = 0; n < 100; n += 1) {
      const { suggestedAt, lastAt } = suggestionOf(suggested, known, certificate) ?? {};
      if (!suggestedAt || !lastAt) throw new Error('It is a deadline.');
      expect(lastAt.getTime()).toBeGreaterThanOrEqual(suggestedAt.getTime());
      expect(lastAt.getTime()).toBeGreaterThanOrEqual(suggested.windowEnd.getTime() - day / 10);
      expect(lastAt.getTime()).toBeLessThan(suggested.windowEnd.getTime());
    }
  });
});
