import { describe, expect, it } from 'vitest';
import { AttemptLimit } from './attempt-limit.js';

describe('AttemptLimit', () => {
  const limit = () => new AttemptLimit({ attempts: 3, windowMs: 100, keys: 4 });

  it('counts attempts by key until the window ends', () => {
    const it = limit();
    expect([1, 2, 3, 4].map((ms) => it.take('a', ms))).toEqual([0, 0, 0, 97]);
    expect(it.take('b', 4)).toBe(0);
    expect([100, 101].map((ms) => it.take('a', ms))).toEqual([1, 0]);
  });

  it('does not count an attempt that is given back', () => {
    const it = limit();
    for (let i = 0; i < 9; i++) {
      expect(it.take('a', 1)).toBe(0);
      it.giveBack('a');
    }
    it.giveBack('unknown');
    expect(it.size).toBe(1);
  });

  it('keeps at most the given number of keys, and drops the oldest', () => {
    const it = limit();
    for (const key of ['a', 'a', 'a', 'b', 'c', 'd']) it.take(key, 1);
    expect(it.take('a', 2)).toBe(99);
    it.take('e', 3);
    expect(it.size).toBe(4);
    expect(it.take('a', 4)).toBe(0);
  });
});
