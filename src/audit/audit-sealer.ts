import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../jobs/periodic.js';
import { Database, type Tx } from '../platform/db/database.js';
import { type AuditHead, readHead, writeHead } from './audit-head.js';
import { AuditKeys } from './audit-keys.js';
import { canonicalRow, genesis, keyedHash } from './chain.js';

const batch = 1000;
/** Key of the advisory lock that admits one sealer at a time: "seal" in ASCII. */
const sealLock = 0x7365616c;

interface Unsealed {
  id: string;
  canonical: string;
}

/** Links committed audit events into the hash chain. Sealing later keeps writers from waiting for one another. */
@Injectable()
export class AuditSealer {
  private readonly log = new Logger('AuditSealer');
  /** The last head that this process wrote: an older record in the table is a rollback by someone else. */
  private newest: AuditHead | null = null;

  constructor(
    private readonly db: Database,
    private readonly keys: AuditKeys,
  ) {}

  /** Seals all committed events and returns their number; 0 at once while another instance seals. */
  async seal(): Promise<number> {
    let sealed = 0;
    for (let count = batch; count === batch; sealed += count) {
      const head = await this.db.write((tx) => this.sealBatch(tx));
      count = head.count;
      this.newest = head.head ?? this.newest;
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

  private async sealBatch(tx: Tx): Promise<{ count: number; head?: AuditHead }> {
    const [{ free }] = await tx.query<[{ free: boolean }]>('select pg_try_advisory_xact_lock($1) as free', [sealLock]);
    if (!free) return { count: 0 };
    if (this.newest === null) await this.begin(tx);
    // Sealing order is chain order: a row that commits late with a low id gets a later place.
    const rows = await tx.query<Unsealed[]>(
      `select id, ${canonicalRow} as canonical from audit_event where seq is null order by id limit ${batch}`,
    );
    if (rows.length === 0) return { count: 0 };
    return { count: rows.length, head: await this.link(tx, rows) };
  }

  /** Starts keyed sealing in a database that never had a key: from here on every row is sealed with one. */
  private async begin(tx: Tx): Promise<void> {
    if ((await readHead(tx, this.keys)) !== null || (await this.keys.isKeyed(tx))) return;
    const last = await lastRow(tx);
    await writeHead(tx, this.keys, { ...last, keyedFrom: last.seq + 1 });
    await this.keys.rememberKeyed(tx);
  }

  private async link(tx: Tx, rows: readonly Unsealed[]): Promise<AuditHead> {
    const { seq, hash, keyedFrom } = await this.base(tx);
    const key = this.keys.rowKey();
    const hashes = [hash];
    for (const [i, { canonical }] of rows.entries()) hashes.push(keyedHash(key, hashes[i] as Buffer, canonical));
    await tx.query(
      `update audit_event e set seq = $1::bigint + l.place, prev_hash = l.prev_hash, hash = l.hash, key_id = $5
       from unnest($2::bigint[], $3::bytea[], $4::bytea[]) with ordinality as l (id, prev_hash, hash, place)
       where e.id = l.id`,
      [seq, rows.map(({ id }) => id), hashes.slice(0, -1), hashes.slice(1), this.keys.sealingId],
    );
    const head = { seq: seq + rows.length, hash: hashes.at(-1) as Buffer, keyedFrom };
    await writeHead(tx, this.keys, head);
    return head;
  }

  /**
   * The next rows follow the recorded head, never the newest row: removed or inserted rows stay visible as a gap or a
   * broken link.
   */
  private async base(tx: Tx): Promise<AuditHead> {
    const head = await readHead(tx, this.keys);
    const last = await lastRow(tx);
    const isOlder = head && this.newest && head.seq < this.newest.seq;
    const kept = isOlder ? this.newest : head || this.newest;
    if (!head || isOlder || head.seq !== last.seq || !head.hash.equals(last.hash))
      this.log.error('The audit log was changed outside the program. Run: perennial audit verify');
    // Without a trusted record, skip one number: the gap reports the loss.
    if (!kept) return { ...last, seq: last.seq + 1, keyedFrom: await firstKeyed(tx, last.seq + 2) };
    return { ...kept, seq: Math.max(kept.seq, last.seq) };
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
    this.periodic.everyTick('audit.seal', 1, async () => {
      await this.sealer.seal();
    });
  }
}

async function lastRow(tx: Tx): Promise<Pick<AuditHead, 'seq' | 'hash'>> {
  const [row] = await tx.query<{ seq: string; hash: Buffer }[]>(
    'select seq, hash from audit_event where seq is not null order by seq desc limit 1',
  );
  return { seq: Number(row?.seq ?? 0), hash: row?.hash ?? genesis };
}

async function firstKeyed(tx: Tx, otherwise: number): Promise<number> {
  const [{ seq }] = await tx.query<[{ seq: string | null }]>(
    'select min(seq) as seq from audit_event where key_id is not null',
  );
  return seq === null ? otherwise : Number(seq);
}
