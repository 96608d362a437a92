import { describe, expect, it } from 'vitest';
import { Gathered } from './gathered.js';
import { Problem } from './http/problem.js';

const numbers = Array.from({ length: 64 }, (_, n) => n);

/** Doubles its inputs; the sizes of its batches are in `batches`. */
function doubling(fault: (n: number) => Error | null): { gathered: Gathered<number, number>; batches: number[] } {
  const batches: number[] = [];
  const gathered = new Gathered<number, number>(async (inputs) => {
    batches.push(inputs.length);
    const error = inputs.map(fault).find((one) => one !== null);
    if (error) throw error;
    return inputs.map((n) => n * 2);
  });
  return { gathered, batches };
}

describe('batched calls', () => {
  it('share one run of the work, and each gets its own answer', async () => {
    const { gathered, batches } = doubling(() => null);
    expect(await Promise.all(numbers.map((n) => gathered.run(n)))).toEqual(numbers.map((n) => n * 2));
    expect(batches).toEqual([64]);
  });

  it('that arrive during a run form the next batch', async () => {
    const { gathered, batches } = doubling(() => null);
    const first = gathered.run(1);
    await first.then(() => Promise.all([gathered.run(2), gathered.run(3)]));
    expect(batches).toEqual([1, 2]);
  });

  it('are halved when one of them fails: only that call throws, after at most two runs for each halving', async () => {
    const { gathered, batches } = doubling((n) => (n === 37 ? new Error('odd') : null));
    const answers = await Promise.allSettled(numbers.map((n) => gathered.run(n)));
    expect(answers.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([37]);
    expect(answers[38]).toMatchObject({ value: 76 });
    expect(batches).toHaveLength(1 + 2 * Math.log2(64));
  });

  it('all throw at once when something is out of service', async () => {
    const { gathered, batches } = doubling(() => new Problem('unavailable', 'down'));
    const answers = await Promise.allSettled(numbers.map((n) => gathered.run(n)));
    expect(answers.every(({ status }) => status === 'rejected')).toBe(true);
    expect(batches).toEqual([64]);
    expect(await doubling(() => null).gathered.run(4)).toBe(8);
  });
});
