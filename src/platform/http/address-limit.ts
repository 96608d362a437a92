import { subscriberOf } from '../net/subscriber.js';
import { Problem } from './problem.js';

/** What one address may still send. */
interface Bucket {
  left: number;
  atMs: number;
}

/** A burst may use up what is allowed in this time. */
const windowS = 10;
const maxAddresses = 10_000;

/**
 * Bounds the requests of each client address in this process: `perSecond` on average over 10 seconds. An IPv6 address
 * counts by its /64 prefix. Knows at most 10,000: beyond that it forgets those that were quiet longest.
 */
export class AddressLimit {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly perSecond: number) {}

  /** Undefined: it may pass. `nowMs` is any clock that only goes forward. */
  refusal(address: string, nowMs: number): Problem | undefined {
    if (this.perSecond === 0) return undefined;
    const most = this.perSecond * windowS;
    const client = subscriberOf(address);
    const { left, atMs } = this.buckets.get(client) ?? { left: most, atMs: nowMs };
    const filled = Math.min(most, left + ((nowMs - atMs) / 1000) * this.perSecond);
    this.keep(client, { left: Math.max(0, filled - 1), atMs: nowMs });
    if (filled >= 1) return undefined;
    return new Problem('too-many-requests', 'This address sends too many requests.', { retryAfterS: 1 });
  }

  /** The map is in order of the last request, the quietest first. */
  private keep(client: string, bucket: Bucket): void {
    this.buckets.delete(client);
    this.buckets.set(client, bucket);
    if (this.buckets.size <= maxAddresses) return;
    const [quietest] = this.buckets.keys();
    if (quietest !== undefined) this.buckets.delete(quietest);
  }
}
