import type { Tx } from '../platform/db/database.js';
import { canonicalRow, ChainWalk, type ChainFault, type SealedRow } from './chain.js';

const batch = 1000;
const most = 100;

/**
 * A place of the chain and its hash, kept somewhere else: without one, nobody can tell that the newest rows were cut
 * off.
 */
export interface ChainAnchor {
  seq: number;
  hashHex: string;
}

/** What a check of the chain found. */
export interface ChainReport {
  /** Rows that were read. */
  rows: number;
  /** The newest row read, fit to be kept as the next anchor; null when nothing is sealed yet. */
  head: ChainAnchor | null;
  /** In order of `seq`. The check stops soon after the hundredth. */
  faults: readonly ChainFault[];
  /** Events that have waited for their seal for over a minute: the sealer does not run. */
  overdue: number;
}

/**
 * Reads the chain from its start, in the snapshot of `tx`, and says which rows were changed, removed, inserted or
 * reordered.
 */
export async function verifyChain(tx: Tx, anchor?: ChainAnchor): Promise<ChainReport> {
  const walk = new ChainWalk((hash) => hasHash(tx, hash));
  let rows = 0;
  let anchored = anchor === undefined;
  for (let page = await next(tx, 0); page.length > 0; page = await next(tx, walk.head?.seq ?? 0)) {
    for (const row of page) {
      await walk.step(row);
      anchored ||= row.seq === anchor?.seq && row.hash.toString('hex') === anchor.hashHex;
    }
    rows += page.length;
    if (walk.faults.length >= most) break;
  }
  const lost: ChainFault[] =
    anchor && !anchored && walk.faults.length < most ? [{ kind: 'removed', seq: anchor.seq, id: null }] : [];
  const { head } = walk;
  return {
    rows,
    head: head && { seq: head.seq, hashHex: head.hash.toString('hex') },
    faults: [...walk.faults, ...lost],
    overdue: await countOverdue(tx),
  };
}

async function next(tx: Tx, after: number): Promise<SealedRow[]> {
  const rows = await tx.query<(Omit<SealedRow, 'seq'> & { seq: string })[]>(
    `select id, seq, prev_hash as "prevHash", hash, ${canonicalRow} as canonical
     from audit_event where seq > $1 order by seq limit ${batch}`,
    [after],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
}

async function hasHash(tx: Tx, hash: Buffer): Promise<boolean> {
  const rows = await tx.query<unknown[]>('select 1 from audit_event where hash = $1 limit 1', [hash]);
  return rows.length > 0;
}

async function countOverdue(tx: Tx): Promise<number> {
  const [{ count }] = await tx.query<[{ count: string }]>(
    `select count(*) from audit_event where seq is null and at < now() - interval '1 minute'`,
  );
  return Number(count);
}
