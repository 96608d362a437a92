import { setTimeout as sleep } from 'node:timers/promises';

/** Lets at most so many begin in a second, evenly spread, in the order in which they ask. */
export class Pace {
  private readonly gapMs: number;
  private nextMs = 0;
  private last: Promise<void> = Promise.resolve();

  constructor(perSecond: number) {
    this.gapMs = 1000 / perSecond;
  }

  /** Waits for a turn. Throws the signal's reason when that is aborted before. */
  turn(signal: AbortSignal): Promise<void> {
    const mine = this.last.then(() => this.wait(signal));
    this.last = mine.catch(() => undefined);
    return mine;
  }

  private async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const nowMs = performance.now();
    const waitMs = Math.max(0, this.nextMs - nowMs);
    this.nextMs = nowMs + waitMs + this.gapMs;
    // Timers have a resolution of a millisecond; shorter waits add up in `nextMs`.
    if (waitMs >= 1) await sleep(waitMs, undefined, { signal });
  }
}

/**
 * The results of `work` on each item, as they come, with at most `atOnce` in progress. An item is taken when work on it
 * can begin. The first error ends it, after the work in progress.
 */
export async function* inParallel<In, Out>(
  items: Iterable<In>,
  atOnce: number,
  work: (item: In) => Promise<Out>,
): AsyncGenerator<Out> {
  const running = new Set<Promise<void>>();
  const done: Out[] = [];
  const failures: unknown[] = [];
  let settled = (): void => undefined;
  // `Promise.race` would add a reaction to all that run, for each that ends.
  const oneSettles = (): Promise<void> => new Promise((resolve) => (settled = resolve));
  const begin = (item: In): void => {
    const run: Promise<void> = work(item)
      .then(
        (out) => void done.push(out),
        (error: unknown) => void failures.push(error),
      )
      .finally(() => {
        running.delete(run);
        settled();
      });
    running.add(run);
  };
  try {
    for (const item of items) {
      begin(item);
      while (running.size >= atOnce) await oneSettles();
      if (failures.length > 0) throw failures[0];
      yield* done.splice(0);
    }
    while (running.size > 0) {
      await oneSettles();
      yield* done.splice(0);
    }
    if (failures.length > 0) throw failures[0];
    yield* done.splice(0);
  } finally {
    await Promise.all(running);
  }
}
