import type { Tx } from '../platform/db/database.js';
import { KeyRingError } from '../platform/secrets/key-ring.js';
import { type AuditHead, readHead } from './audit-head.js';
import type { AuditKeys } from './audit-keys.js';
import {
  type ChainCursor,
  chainStart,
  countOverdue,
  hasHash,
  highestPlace,
  newestSeal,
  repeatedEvents,
  sealedRows,
  strayIds,
  topIdAt,
  wronglyRanged,
} from './audit-seals.js';
import { ChainWalk, type ChainFault, type SealedRow } from './chain.js';

const batch = 1000;
const most = 100;

/**
 * A place of the chain and its hash, stored outside the database. Without an anchor, truncation of the log cannot be
 * detected.
 */
export interface ChainAnchor {
  seq: number;
  hashHex: string;
}

/** The result of a verification. */
export interface ChainReport {
  /** Number of rows read. */
  rows: number;
  /** The newest row, to be kept as the next anchor; null when nothing is sealed. */
  head: ChainAnchor | null;
  /** Number of rows sealed with a key; versions without keys sealed the rows before them. */
  keyed: number;
  /** Number of anchors checked. */
  anchors: number;
  /** In order of `seq`. Verification stops soon after the hundredth fault. */
  faults: readonly ChainFault[];
  /** Events unsealed for over a minute: the sealer does not run. */
  overdue: number;
}

/**
 * Verifies the chain from its start in the snapshot of `tx`: reports rows that were changed, removed, inserted or
 * reordered since sealing. Each of `anchors` must be part of the chain.
 */
export async function verifyChain(tx: Tx, keys: AuditKeys, anchors: readonly ChainAnchor[] = []): Promise<ChainReport> {
  const record = await recordOf(tx, keys);
  const chainKeys = { byId: await keys.rowKeys(tx), keyedFrom: record?.keyedFrom ?? null };
  const walk = new ChainWalk(chainKeys, (hash) => hasHash(tx, hash));
  const open = new AnchorsToFind(anchors);
  let [rows, keyed] = [0, 0];
  const next = (cursor: ChainCursor): Promise<(SealedRow & ChainCursor)[]> => sealedRows(tx, cursor, batch);
  for (let page = await next(chainStart); page.length > 0; page = await next(page.at(-1) ?? chainStart)) {
    for (const row of page) {
      await walk.step(row);
      open.found(row);
      if (row.keyId !== null) keyed += 1;
    }
    rows += page.length;
    if (walk.faults.length >= most) break;
  }
  if (walk.faults.length < most)
    walk.end(record, {
      lost: open.left,
      misranged: await wronglyRanged(tx, most),
      strayIds: await strayIds(tx, await topIdAt(tx, record ?? (await newestSeal(tx, highestPlace))), most),
      repeated: await repeatedEvents(tx, most),
    });
  const { head } = walk;
  return {
    rows,
    keyed,
    anchors: anchors.length,
    head: head && { seq: head.seq, hashHex: head.hash.toString('hex') },
    faults: walk.faults,
    overdue: await countOverdue(tx),
  };
}

/** Anchors whose row was not read yet. */
class AnchorsToFind {
  private readonly bySeq = new Map<number, ChainAnchor[]>();

  constructor(anchors: readonly ChainAnchor[]) {
    for (const anchor of anchors) this.bySeq.set(anchor.seq, [...(this.bySeq.get(anchor.seq) ?? []), anchor]);
  }

  found({ seq, hash }: Pick<SealedRow, 'seq' | 'hash'>): void {
    const open = this.bySeq.get(seq);
    if (open)
      this.bySeq.set(
        seq,
        open.filter(({ hashHex }) => hashHex !== hash.toString('hex')),
      );
  }

  /** The places where the chain does not match an anchor, in order. */
  get left(): number[] {
    return [...this.bySeq]
      .filter(([, open]) => open.length > 0)
      .map(([seq]) => seq)
      .sort((a, b) => a - b);
  }
}

/**
 * Null in a database without keys; undefined when the record is missing although rows have keys, or its MAC is wrong.
 */
async function recordOf(tx: Tx, keys: AuditKeys): Promise<AuditHead | null | undefined> {
  const head = await readHead(tx, keys).catch((error: unknown) => {
    if (error instanceof KeyRingError) return false as const;
    throw error;
  });
  if (head) return head;
  return head === null && !(await keys.isKeyed(tx)) ? null : undefined;
}
