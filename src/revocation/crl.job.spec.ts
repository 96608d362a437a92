import { expect, it } from 'vitest';
import { breakS } from './crl.job.js';

const now = new Date('2026-03-01T12:00:00Z');
const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1000);

it.each([
  ['that was never made', 0, null, 1],
  ['that is small', 1000, ago(0), 1],
  ['of a million entries that was made just now', 1_000_000, ago(0), 2],
  ['of two million entries that was made 2.5 seconds ago', 2_000_000, ago(2.5), 1.5],
  ['of a million entries that was made a minute ago', 1_000_000, ago(60), 1],
  ['of a hundred million entries', 100_000_000, ago(0), 30],
  ['whose date is in the future, because the clock was set back,', 1_000_000, ago(-86_400), 2],
])('a list %s takes up revocations for so many seconds', (_, entries, thisUpdate, seconds) => {
  expect(breakS({ entries, thisUpdate }, now)).toBe(seconds);
});
