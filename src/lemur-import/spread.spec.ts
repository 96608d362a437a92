import { describe, expect, it } from 'vitest';
import { spreadRenewal } from './spread.js';

const hour = 3_600_000;
const now = new Date('2026-06-01T00:00:00Z');
const at = (hours: number): Date => new Date(now.getTime() + hours * hour);

describe('renewals after an import', () => {
  it('keep their time if they are due later', () => {
    expect(spreadRenewal(at(25), { now, notAfter: at(1000), share: 0.3 })).toEqual(at(25));
  });

  it('are spread over the week after the first day if they are overdue', () => {
    const moments = [0, 0.5, 1].map((share) => spreadRenewal(at(-100), { now, notAfter: at(700), share }));
    expect(moments).toEqual([at(24), at(24 + 84), at(24 + 168)]);
  });

  it('are postponed to half of the remaining lifetime at most', () => {
    expect(spreadRenewal(at(-100), { now, notAfter: at(40), share: 0.9 })).toEqual(at(20));
    expect(spreadRenewal(at(-100), { now, notAfter: at(2), share: 0 })).toEqual(at(1));
  });
});
