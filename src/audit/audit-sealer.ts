import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '../platform/db/database.js';
import { canonicalRow, genesis, linkHash } from './chain.js';

const batch = 1000;
/** The key of the advisory lock of which one sealer at a time holds: "seal" in ASCII. */
const sealLock = 0x7365616c;

interface Unsealed {
  id: string;
  canonical: string;
}

/** Links committed audit events into the hash chain, so that those who write them never wait for one another. */
@Injectable()
export class AuditSealer {
  constructor(private readonly db: Database) {}

  /** Seals all that is committed and returns how many that were; 0 at once when another instance is at it. */
  async seal(): Promise<number> {
    let sealed = 0;
    for (let count = batch; count === batch; sealed += count) {
      count = await this.db.write((tx) => this.sealBatch(tx));
    }
    return sealed;
  }

  private async sealBatch(tx: Tx): Promise<number> {
    const [{ free }] = await tx.query<[{ free: boolean }]>('select pg_try_advisory_xact_lock($1) as free', [sealLock]);
    if (!free) return 0;
    // By id, yet a row that commits late with a low id simply comes later in the chain: the order is that of sealing.
    const rows = await tx.query<Unsealed[]>(
      `select id, ${canonicalRow} as canonical from audit_event where seq is null order by id limit ${batch}`,
    );
    if (rows.length > 0) await this.link(tx, rows);
    return rows.length;
  }

  private async link(tx: Tx, rows: readonly Unsealed[]): Promise<void> {
    const [head] = await tx.query<{ seq: string; hash: Buffer }[]>(
      'select seq, hash from audit_event where seq is not null order by seq desc limit 1',
    );
    const hashes = [head?.hash ?? genesis];
    for (const [i, { canonical }] of rows.entries()) hashes.push(linkHash(hashes[i] as Buffer, canonical));
    await tx.query(
      `update audit_event e set seq = $1::bigint + l.place, prev_hash = l.prev_hash, hash = l.hash
       from unnest($2::bigint[], $3::bytea[], $4::bytea[]) with ordinality as l (id, prev_hash, hash, place)
       where e.id = l.id`,
      [head?.seq ?? 0, rows.map(({ id }) => id), hashes.slice(0, -1), hashes.slice(1)],
    );
  }
}
