import { describe, expect, it } from 'vitest';
import { Turns } from './turns.js';

/** Work that ends when the test says so. */
function work(): { run: () => Promise<string>; end: (error?: Error) => void; begun: () => boolean } {
  let begun = false;
  let end: (error?: Error) => void = () => {};
  const promise = new Promise<string>((resolve, reject) => {
    end = (error) => (error ? reject(error) : resolve('done'));
  });
  return {
    run: () => {
      begun = true;
      return promise;
    },
    end,
    begun: () => begun,
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('run work of one key in order, also after a failure, and other keys meanwhile', async () => {
    const turns = new Turns(10);
    const [first, second, other] = [work(), work(), work()];
    const failing = turns.run('a', first.run);
    const following = turns.run('a', second.run);
    const elsewhere = turns.run('b', other.run);
    await settled();
    expect([first.begun(), second.begun(), other.begun()]).toEqual([true, false, true]);
    first.end(new Error('no'));
    await expect(failing).rejects.toThrow('no');
    await settled();
    expect(second.begun()).toBe(true);
    second.end();
    other.end();
    expect(await Promise.all([following, elsewhere])).toEqual(['done', 'done']);
    expect(turns.size).toBe(0);
  });

  it('refuse what is too much of one key, and take more when there is room', async () => {
    const turns = new Turns(2);
    const [first, second, third] = [work(), work(), work()];
    const both = [turns.run('a', first.run), turns.run('a', second.run)];
    await expect(turns.run('a', third.run)).rejects.toMatchObject({ code: 'too-many-requests' });
    first.end();
    second.end();
    await Promise.all(both);
    third.end();
    expect(await turns.run('a', third.run)).toBe('done');
  });
});
