interface Window {
  /** Milliseconds since 1970. */
  endsAt: number;
  attempts: number;
}

/** The number of attempts for each key in a window of time, and the maximum number of keys in memory. */
export interface Limit {
  attempts: number;
  windowMs: number;
  keys: number;
}

/**
 * Counts attempts by key, in this process only: n instances allow n times as many. Memory is bounded: beyond `keys` the
 * oldest window is dropped, which an attacker can cause only from thousands of addresses.
 */
export class AttemptLimit {
  // In order of `endsAt`, because all windows have the same length and are inserted when they start.
  private readonly windows = new Map<string, Window>();

  constructor(private readonly limit: Limit) {}

  /** Counts an attempt before it is made, so that concurrent ones count too. Returns 0, or the milliseconds to wait. */
  take(key: string, nowMs: number): number {
    const open = this.windows.get(key);
    if (open && open.endsAt > nowMs) {
      if (open.attempts >= this.limit.attempts) return open.endsAt - nowMs;
      open.attempts += 1;
      return 0;
    }
    this.windows.delete(key);
    this.makeRoom();
    this.windows.set(key, { endsAt: nowMs + this.limit.windowMs, attempts: 1 });
    return 0;
  }

  /** Uncounts one attempt, because it succeeded. */
  giveBack(key: string): void {
    const window = this.windows.get(key);
    if (window && window.attempts > 0) window.attempts -= 1;
  }

  get size(): number {
    return this.windows.size;
  }

  private makeRoom(): void {
    const [oldest] = this.windows.keys();
    if (oldest !== undefined && this.windows.size >= this.limit.keys) this.windows.delete(oldest);
  }
}
