import { problemOf } from './http/problem-of.js';

/**
 * Runs `work` on all items at once. Where that fails because of one of them, it runs on ever smaller parts, until the
 * odd ones stand alone: `odd` is told of each, and the others are done. `work` must leave nothing behind when it
 * throws.
 * Throws what `work` throws while something is out of service, and what `odd` throws.
 */
export async function isolating<T>(
  items: readonly T[],
  work: (part: readonly T[]) => Promise<void>,
  odd: (item: T, error: unknown) => Promise<void> | void,
): Promise<void> {
  if (items.length === 0) return;
  try {
    await work(items);
  } catch (error) {
    if (problemOf(error).code === 'unavailable') throw error;
    if (items.length === 1) return odd(items[0] as T, error);
    const half = items.length >> 1;
    await isolating(items.slice(0, half), work, odd);
    await isolating(items.slice(half), work, odd);
  }
}
