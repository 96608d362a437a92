import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { Database } from './database.js';
import { prepared } from './statement.js';

const keptMs = 60_000;
const mostKept = 2000;

/** What was read, and the version of the facts that it was read at. */
export interface Kept<T> {
  value: T;
  version: number;
}

const current = prepared<{ version: string }>('kept_facts', 'select version from kept_facts');

/** In SQL, whether the facts still have each version in the array `versions`; with none, they have. */
export const factsHave = (versions: string): string => `(select version from kept_facts) = all(${versions})`;

/**
 * Facts about accounts, roles, API keys, rotation policies and subscriptions that the process keeps between requests.
 * Every change of them raises one version in the database when it commits, whichever process makes it. So a caller that
 * stores what follows from a kept fact demands `factsHave` its version in the same statement; when that fails, or
 * before it refuses because of a kept fact, it calls `renew` and starts again.
 */
@Injectable()
export class KeptFacts {
  private version = 0;
  private readonly kept = new Map<string, Kept<unknown> & { at: number }>();

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  /** What is kept under `key`, at most a minute old; else what `load` gives, kept if `lasts`. Throws as `load`. */
  async of<T>(key: string, load: () => Promise<T>, lasts: (value: T) => boolean = () => true): Promise<Kept<T>> {
    const known = this.kept.get(key);
    const now = this.clock.now().getTime();
    if (known && Math.abs(now - known.at) < keptMs) return known as Kept<T> & { at: number };
    // Read first: a change in between makes the version too old, never the fact.
    const version = await this.current();
    const kept = { value: await load(), version, at: now };
    if (version === this.version && lasts(kept.value)) this.keep(key, kept);
    return kept;
  }

  /** Forgets what has changed since `version`. True if anything has. */
  async renew(version: number): Promise<boolean> {
    return (await this.current()) !== version;
  }

  private async current(): Promise<number> {
    const [row] = await current(this.db.single, []);
    const version = Number(row?.version);
    // A restored database counts from an earlier version again.
    if (version !== this.version) {
      this.kept.clear();
      this.version = version;
    }
    return version;
  }

  private keep(key: string, kept: Kept<unknown> & { at: number }): void {
    this.kept.delete(key);
    const [oldest] = this.kept.keys();
    if (this.kept.size >= mostKept && oldest !== undefined) this.kept.delete(oldest);
    this.kept.set(key, kept);
  }
}
