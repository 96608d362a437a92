interface Kept<T> {
  value: T;
  size: number;
  until: number;
}

/**
 * Values that are kept until a moment, within bounds of number and size together; the one that was not read for the
 * longest time goes first. Times are milliseconds since 1970.
 */
export class ExpiringCache<T> {
  private readonly kept = new Map<string, Kept<T>>();
  private size = 0;

  constructor(private readonly bounds: { entries: number; size: number }) {}

  get(key: string, now: number): T | undefined {
    const found = this.kept.get(key);
    if (!found) return undefined;
    this.delete(key);
    if (found.until <= now) return undefined;
    this.add(key, found);
    return found.value;
  }

  /** Keeps nothing that is larger than the cache. */
  set(key: string, value: T, { size, until }: { size: number; until: number }): void {
    this.delete(key);
    if (size > this.bounds.size) return;
    this.add(key, { value, size, until });
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= this.bounds.entries && this.size <= this.bounds.size) break;
      this.delete(oldest);
    }
  }

  private add(key: string, kept: Kept<T>): void {
    this.kept.set(key, kept);
    this.size += kept.size;
  }

  private delete(key: string): void {
    this.size -= this.kept.get(key)?.size ?? 0;
    this.kept.delete(key);
  }
}
