import { describe, expect, it } from 'vitest';
import { type Finding, judged, type Verification, waitAfter } from './verification.js';

const minuteMs = 60_000;
const outcome = (outcome: Finding['outcome']) => ({ outcome, detail: null });

describe('what follows from a check of a delivery', () => {
  it.each<[Verification | null, Parameters<typeof outcome>[0], number, string]>([
    ['pending', 'match', 0, 'verified settled'],
    ['pending', 'not-verifiable', 0, 'not-verifiable settled'],
    ['pending', 'differs', 9, 'pending waiting'],
    ['pending', 'unknown', 9, 'pending waiting'],
    ['pending', 'arriving', 59, 'pending waiting'],
    ['pending', 'arriving', 60, 'differs overdue'],
    ['verified', 'arriving', 99, 'verified same'],
    ['pending', 'differs', 10, 'differs overdue'],
    ['pending', 'unknown', 10, 'differs overdue'],
    ['pending', 'denied', 0, 'not-verifiable settled'],
    ['verified', 'match', 99, 'verified same'],
    ['verified', 'denied', 99, 'verified same'],
    ['differs', 'denied', 99, 'differs same'],
    ['not-verifiable', 'denied', 99, 'not-verifiable same'],
    ['not-verifiable', 'match', 99, 'verified same'],
    ['verified', 'differs', 99, 'differs drifted'],
    ['verified', 'unknown', 99, 'verified same'],
    ['not-verifiable', 'differs', 99, 'differs drifted'],
    ['differs', 'differs', 99, 'differs still-differs'],
    ['differs', 'arriving', 99, 'differs same'],
    ['differs', 'unknown', 99, 'differs same'],
    ['differs', 'match', 99, 'verified settled'],
    [null, 'match', 99, 'verified same'],
    [null, 'unknown', 99, 'null same'],
    [null, 'differs', 99, 'differs drifted'],
  ])('of one that is %s, when the check says %s after %i minutes, is: %s', (before, found, minutes, expected) => {
    const { verification, result } = judged(before, outcome(found), minutes * minuteMs);
    expect(`${verification} ${result}`).toBe(expected);
  });

  it('is a wait that grows with the time since the delivery, from 5 s to 2 min', () => {
    const at = (s: number): Date => new Date(s * 1000);
    expect([0, 5, 30, 300].map((s) => waitAfter(at(s), at(0)))).toEqual([5000, 5000, 30_000, 120_000]);
  });
});
