import { createHash, createHmac } from 'node:crypto';

/**
 * SQL for the canonical form of a row of `audit_event`: Postgres' jsonb text (keys by length, then by bytes; one space
 * after `:` and `,`) of every column outside the chain, with `at` in UTC, and without `apiKeyId` when it is null.
 */
export const canonicalRow = `(jsonb_build_object(
  'id', id, 'at', at at time zone 'UTC', 'action', action, 'targetType', target_type, 'targetId', target_id,
  'actorUserId', actor_user_id, 'actorName', actor_name, 'address', address, 'requestId', request_id,
  'before', before, 'after', after)
  || case when api_key_id is null then '{}' else jsonb_build_object('apiKeyId', api_key_id) end)::text`;

/** `prevHash` of the first row. */
export const genesis = Buffer.alloc(32);

/** HMAC-SHA-256 over the previous hash and the canonical form in UTF-8. */
export function keyedHash(key: Buffer, prevHash: Buffer, canonical: string): Buffer {
  return createHmac('sha256', key).update(prevHash).update(canonical, 'utf8').digest();
}

/** SHA-256 over the same input, as versions without keys sealed. */
export function plainHash(prevHash: Buffer, canonical: string): Buffer {
  return createHash('sha256').update(prevHash).update(canonical, 'utf8').digest();
}

/** A sealed row as verification reads it. */
export interface SealedRow {
  id: string;
  seq: number;
  prevHash: Buffer;
  hash: Buffer;
  /** The key that sealed the row; null in rows of versions without keys. */
  keyId: string | null;
  /** Null when the event is missing. */
  canonical: string | null;
}

/** The keys that verification checks rows with. */
export interface ChainKeys {
  byId: ReadonlyMap<string, Buffer>;
  /** The first row that must be sealed with a key; null when none must. */
  keyedFrom: number | null;
}

/** One fault in the chain. */
export interface ChainFault {
  /**
   * `changed`: the content does not match the seal. `removed`: a row at or before this place is missing or rewritten.
   * `inserted`: the row was never sealed by the program. `repeated`: an earlier place has the same event.
   * `unknown-key`: the sealing key is not known here. `head`: the record of the newest row is missing or has a wrong
   * MAC.
   */
  kind: 'changed' | 'removed' | 'inserted' | 'reordered' | 'repeated' | 'unknown-key' | 'head';
  /** 0 for an event that has no place in the chain. */
  seq: number;
  /** The id of the audit event at `seq`; null when there is none. */
  id: string | null;
}

/** Faults that no single row shows. */
interface WholeChainFaults {
  /** Places where an anchor does not match the chain. The others: see audit-seals.ts. */
  lost: readonly number[];
  misranged: readonly number[];
  strayIds: readonly string[];
  repeated: readonly { seq: number; id: string }[];
}

type Link = Pick<SealedRow, 'seq' | 'hash'> & { id: string | null };
const start: Link = { id: null, seq: 0, hash: genesis };

/** Verifies the chain row by row and collects faults. */
export class ChainWalk {
  readonly faults: ChainFault[] = [];
  private last = start;
  private beforeLast = start;

  /** @param exists whether any sealed row has this hash; called only at a broken link */
  constructor(
    private readonly keys: ChainKeys,
    private readonly exists: (hash: Buffer) => Promise<boolean>,
  ) {}

  /** The last verified row, or null before the first. */
  get head(): Link | null {
    return this.last === start ? null : this.last;
  }

  /** Takes the row with the next higher `seq`. */
  async step(row: SealedRow): Promise<void> {
    if (row.seq <= this.last.seq) return this.report('inserted', row);
    if (row.seq !== this.last.seq + 1) this.reportGap(row.seq);
    else if (!row.prevHash.equals(this.last.hash)) await this.reportLink(row);
    this.checkSeal(row);
    this.beforeLast = this.last;
    this.last = { id: row.id, seq: row.seq, hash: row.hash };
  }

  /**
   * Checks that the chain ends at the recorded head: null in a database without keys, undefined when the record is
   * broken.
   */
  end(
    record: Pick<Link, 'seq' | 'hash'> | null | undefined,
    { lost, misranged, strayIds, repeated }: WholeChainFaults,
  ): void {
    const { last } = this;
    if (record === undefined) this.report('head', last);
    else if (record && !last.hash.equals(record.hash)) this.reportEnd(record.seq);
    for (const seq of lost) this.reportOnce('removed', { seq, id: null });
    for (const seq of misranged) this.reportOnce('changed', { seq, id: null });
    for (const event of repeated) this.reportOnce('repeated', event);
    for (const id of strayIds) this.report('inserted', { seq: 0, id });
  }

  private reportEnd(seq: number): void {
    if (this.last.seq < seq) this.reportGap(seq + 1);
    else this.reportOnce(this.last.seq > seq ? 'inserted' : 'changed', this.last);
  }

  private checkSeal({ canonical, ...row }: SealedRow): void {
    const { byId, keyedFrom } = this.keys;
    if (canonical === null) return this.report('removed', { seq: row.seq, id: null });
    const key = row.keyId === null ? undefined : byId.get(row.keyId);
    if (row.keyId !== null && key === undefined) return this.report('unknown-key', row);
    const mustBeKeyed = keyedFrom !== null && row.seq >= keyedFrom;
    const expected = key ? keyedHash(key, row.prevHash, canonical) : plainHash(row.prevHash, canonical);
    if ((mustBeKeyed && !key) || !expected.equals(row.hash)) this.report('changed', row);
  }

  private reportGap(end: number): void {
    const missing = Math.min(end - this.last.seq - 1, 10);
    for (let i = 1; i <= missing; i++) this.report('removed', { seq: this.last.seq + i, id: null });
  }

  private async reportLink(row: SealedRow): Promise<void> {
    const { last } = this;
    const lastMoved = this.faults.some(({ seq, kind }) => seq === last.seq && kind === 'reordered');
    if (row.prevHash.equals(this.beforeLast.hash) && !lastMoved) {
      this.faults.splice(0, this.faults.length, ...this.faults.filter(({ seq }) => seq !== last.seq));
      this.report('inserted', last);
    } else {
      this.report((await this.exists(row.prevHash)) ? 'reordered' : 'removed', row);
    }
  }

  private reportOnce(kind: ChainFault['kind'], link: Pick<ChainFault, 'seq' | 'id'>): void {
    if (!this.faults.some(({ seq }) => seq === link.seq)) this.report(kind, link);
  }

  private report(kind: ChainFault['kind'], { seq, id }: Pick<ChainFault, 'seq' | 'id'>): void {
    this.faults.push({ kind, seq, id });
  }
}
