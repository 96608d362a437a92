import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.js';

/** A queue whose work ends when the test says so: `started` names what runs or has run, in order. */
function watched(limits: ConstructorParameters<typeof FairQueue>[0]) {
  const queue = new FairQueue(limits);
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const ask = (userId: number, name: string): Promise<void> =>
    queue.run(
      userId,
      () =>
        new Promise((end) => {
          started.push(name);
          ends.set(name, end);
        }),
    );
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    await new Promise(setImmediate);
  };
  return { started, ask, end };
}

describe('a fair queue', () => {
  it('gives the program a place of its own as soon as it asks, and people theirs', async () => {
    const { started, ask, end } = watched({ atOnce: 2, mostWaiting: 9, mostWaitingOfUser: 9 });
    const all = [...['a', 'b', 'c', 'd'].map((name) => ask(1, name)), ...['x', 'y', 'z'].map((name) => ask(0, name))];
    for (const name of ['a', 'b', 'x', 'c', 'y', 'd', 'z']) await end(name);
    await Promise.all(all);
    expect(started).toEqual(['a', 'b', 'x', 'c', 'y', 'd', 'z']);
  });

  it('uses every place, whoever waits', async () => {
    const { started, ask, end } = watched({ atOnce: 2, mostWaiting: 9, mostWaitingOfUser: 9 });
    const all = ['x', 'y', 'z'].map((name) => ask(0, name));
    expect(started).toEqual(['x', 'y']);
    await end('x');
    expect(started).toEqual(['x', 'y', 'z']);
    for (const name of ['y', 'z']) await end(name);
    await Promise.all(all);
  });

  it('lets only so many people wait, fewer of one user, and the program without end', async () => {
    const { ask, end } = watched({ atOnce: 1, mostWaiting: 3, mostWaitingOfUser: 2 });
    const refused = { code: 'unavailable', extra: { retryAfterS: 30 } };
    const taken = [ask(1, 'a'), ask(1, 'b'), ask(1, 'c')];
    await expect(ask(1, 'd')).rejects.toMatchObject(refused);
    taken.push(ask(2, 'e'));
    await expect(ask(3, 'f')).rejects.toMatchObject(refused);
    const own = ['v', 'w', 'x', 'y', 'z'];
    taken.push(...own.map((name) => ask(0, name)));
    for (const name of ['a', ...own, 'b', 'c', 'e']) await end(name);
    await Promise.all(taken);
  });

  it('goes on after a failure', async () => {
    const queue = new FairQueue({ atOnce: 1, mostWaiting: 1, mostWaitingOfUser: 1 });
    await expect(queue.run(1, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await queue.run(1, () => Promise.resolve(7))).toBe(7);
  });
});
