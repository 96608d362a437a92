import { Problem } from '../platform/http/problem.js';

/** Runs work of the same key one piece after the other, in the order in which it came. */
export class Turns {
  private readonly lines = new Map<string, { last: Promise<unknown>; length: number }>();

  /** `mostOfKey`: how many pieces of work of one key may run or wait. */
  constructor(private readonly mostOfKey: number) {}

  /** Throws `too-many-requests` when too many wait already, and whatever `work` throws. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const line = this.lines.get(key) ?? { last: Promise.resolve(), length: 0 };
    if (line.length >= this.mostOfKey)
      throw new Problem('too-many-requests', 'Too many sign-ins at the same time.', { retryAfterS: 1 });
    this.lines.set(key, line);
    line.length += 1;
    const done = line.last.then(work);
    line.last = done.catch(() => undefined);
    try {
      return await done;
    } finally {
      line.length -= 1;
      if (line.length === 0) this.lines.delete(key);
    }
  }

  /** How many keys have work. */
  get size(): number {
    return this.lines.size;
  }
}
