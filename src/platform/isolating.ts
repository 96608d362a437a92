import { problemOf } from './http/problem-of.js';

/**
 * Runs `work` on all items at once. When an item makes it fail, the batch is halved until each faulty item is alone:
 * `odd` gets each of those, and all others succeed. `work` must undo everything before it throws.
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
