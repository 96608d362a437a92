import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../jobs/periodic.js';
import { Database, type Tx } from '../platform/db/database.js';
import { type AuditHead, readHead, writeHead } from './audit-head.js';
import { AuditKeys } from './audit-keys.js';
import {
  firstKeyed,
  freeAfter,
  highestPlace,
  mostLate,
  mostSealed,
  newestSeal,
  type OpenEvent,
  openEvents,
  recordGaps,
  topIdAt,
  writeSeal,
} from './audit-seals.js';
import { keyedHash } from './chain.js';

/** Key of the advisory lock that admits one sealer at a time: "seal" in ASCII. */
const sealLock = 0x7365616c;

interface SealedBatch {
  count: number;
  /** Events may be left. */
  more: boolean;
  head?: AuditHead;
}

/** Links committed audit events into the hash chain. Sealing later keeps writers from waiting for one another. */
@Injectable()
export class AuditSealer {
  private readonly log = new Logger('AuditSealer');
  /** The last head that this process wrote: an older record in the table is a rollback by someone else. */
  private newest: AuditHead | null = null;
  private foreign: string | null = null;

  constructor(
    private readonly db: Database,
    private readonly keys: AuditKeys,
  ) {}

  /** Seals all committed events and returns their number; 0 at once while another instance seals. */
  async seal(): Promise<number> {
    let sealed = 0;
    for (let more = true; more;) {
      const batch = await this.db.write((tx) => this.sealBatch(tx));
      sealed += batch.count;
      ({ more } = batch);
      this.newest = batch.head ?? this.newest;
    }
    return sealed;
  }

  /**
   * Call this before keys of the ring are retired. Renews the MAC of the head with the sealing key and keeps the keys
   * that verify older rows. A head with a wrong MAC stays as it is.
   */
  async handOver(tx: Tx): Promise<void> {
    await tx.query('select pg_advisory_xact_lock($1)', [sealLock]);
    const head = await readHead(tx, this.keys);
    if (head) await writeHead(tx, this.keys, head);
    await this.keys.keepForRetirement(tx);
  }

  private async sealBatch(tx: Tx): Promise<SealedBatch> {
    const [{ free }] = await tx.query<[{ free: boolean }]>('select pg_try_advisory_xact_lock($1) as free', [sealLock]);
    if (!free) return { count: 0, more: false };
    if (this.newest === null) await this.begin(tx);
    const base = await this.base(tx);
    const topId = await topIdAt(tx, base);
    const { late, fresh, sealed } = await openEvents(tx, topId, base.seq);
    const events = [...late, ...fresh];
    if (events.length + sealed.length === 0) return { count: 0, more: false };
    await recordGaps(tx, topId, { filled: [...idsOf(late), ...sealed], fresh: idsOf(fresh) });
    return {
      count: events.length,
      more: events.length >= mostSealed || late.length + sealed.length >= mostLate,
      head: events.length === 0 ? undefined : await this.link(tx, { ...base, topId }, events),
    };
  }

  /** Starts keyed sealing in a database that never had a key: from here on every row is sealed with one. */
  private async begin(tx: Tx): Promise<void> {
    if ((await readHead(tx, this.keys)) !== null || (await this.keys.isKeyed(tx))) return;
    const { seq, hash } = await newestSeal(tx, highestPlace);
    await writeHead(tx, this.keys, { seq, hash, keyedFrom: seq + 1 });
    await this.keys.rememberKeyed(tx);
  }

  /** Sealing order is chain order: an event that commits late with a low id gets a later place. */
  private async link(tx: Tx, base: AuditHead & { topId: string }, events: readonly OpenEvent[]): Promise<AuditHead> {
    const { hash, keyedFrom, topId } = base;
    const seq = await freeAfter(tx, base.seq);
    const key = this.keys.rowKey();
    const hashes = [hash];
    for (const [i, { canonical }] of events.entries()) hashes.push(keyedHash(key, hashes[i] as Buffer, canonical));
    await writeSeal(tx, { firstSeq: seq + 1, keyId: this.keys.sealingId, topId, ids: idsOf(events), hashes });
    const head = { seq: seq + events.length, hash: hashes.at(-1) as Buffer, keyedFrom };
    await writeHead(tx, this.keys, head);
    return head;
  }

  /**
   * The next rows follow the recorded head, never the newest row: removed or inserted rows stay visible as a gap or a
   * broken link.
   */
  private async base(tx: Tx): Promise<AuditHead> {
    const last = await newestSeal(tx);
    const head = await readHead(tx, this.keys);
    const isOlder = head && this.newest && head.seq < this.newest.seq;
    const isWhole = head && !isOlder && head.seq === last.seq && head.hash.equals(last.hash);
    this.compare(isWhole ? null : `${last.seq} ${last.hash.toString('hex')}`);
    const kept = isOlder ? this.newest : head || this.newest;
    if (kept) return kept;
    // Without a trusted record, skip one number: the gap reports the loss.
    const { seq, hash } = await newestSeal(tx, highestPlace);
    return { seq: seq + 1, hash, keyedFrom: await firstKeyed(tx, seq + 2) };
  }

  /** Logs each newest seal that the head does not name, once. */
  private compare(foreign: string | null): void {
    if (foreign !== null && foreign !== this.foreign)
      this.log.error('The audit log was changed outside the program. Run: perennial audit verify');
    this.foreign = foreign;
  }
}

/** Seals every second, one process at a time. */
@Injectable()
export class AuditSealJob implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly sealer: AuditSealer,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('audit.seal', 1, async (_, report) => report.count('events', await this.sealer.seal()));
  }
}

const idsOf = (events: readonly OpenEvent[]): string[] => events.map(({ id }) => id);
