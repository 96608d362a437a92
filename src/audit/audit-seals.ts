import type { Tx } from '../platform/db/database.js';
import type { AuditEvent } from './audit-event.entity.js';
import type { AuditHead } from './audit-head.js';
import { canonicalRow, genesis, type SealedRow } from './chain.js';

// The queries on audit_seal and audit_gap (see audit-seals.entity.ts).

/** The most events in one seal. */
export const mostSealed = 250;

/** An event that is to be sealed. */
export interface OpenEvent {
  id: string;
  canonical: string;
}

/** The newest seal. `topId`: the events that are not sealed have higher ids, or are in a gap. */
export type NewestSeal = Pick<AuditHead, 'seq' | 'hash'> & { topId: string };

/** Place 0 when nothing is sealed. */
export async function newestSeal(tx: Tx): Promise<NewestSeal> {
  const [row] = await tx.query<{ seq: string; hash: Buffer; topId: string }[]>(
    `select first_seq + cardinality(hashes) - 1 as seq, hashes[cardinality(hashes)] as hash, top_id as "topId"
     from audit_seal order by first_seq desc limit 1`,
  );
  return row ? { ...row, seq: Number(row.seq) } : { seq: 0, hash: genesis, topId: '0' };
}

/** Committed events that are not sealed: first those that committed after higher ids were sealed. */
export async function openEvents(tx: Tx, topId: string): Promise<{ late: OpenEvent[]; fresh: OpenEvent[] }> {
  const late = await tx.query<OpenEvent[]>(
    `select id, ${canonicalRow} as canonical from audit_event
     where id in (select e.id from audit_gap g join audit_event e on e.id between g.first_id and g.last_id)
     order by id limit ${mostSealed}`,
  );
  const fresh = await tx.query<OpenEvent[]>(
    `select id, ${canonicalRow} as canonical from audit_event where id > $1 order by id limit $2`,
    [topId, mostSealed - late.length],
  );
  return { late, fresh };
}

/** Stores the links of events in the order of `ids`; `hashes` has the hash before the first one, too. */
export async function writeSeal(
  tx: Tx,
  { firstSeq, keyId, ids, hashes }: { firstSeq: number; keyId: string; ids: readonly string[]; hashes: Buffer[] },
): Promise<void> {
  await tx.query(
    `insert into audit_seal (first_seq, event_ids, prev_hashes, hashes, key_id, top_id, id_range)
     select $1, $2::bigint[], $3, $4, $5,
       greatest(max(id), (select top_id from audit_seal order by first_seq desc limit 1)),
       int8range(min(id), max(id), '[]')
     from unnest($2::bigint[]) as id`,
    [firstSeq, ids, hashes.slice(0, -1), hashes.slice(1), keyId],
  );
}

/**
 * Remembers which ids below the highest sealed one are missing: their transactions may still be open. After a week they
 * are not: they were rolled back.
 */
export async function recordGaps(
  tx: Tx,
  topId: string,
  { late, fresh }: Record<'late' | 'fresh', readonly string[]>,
): Promise<void> {
  await tx.query(
    `insert into audit_gap (first_id, last_id)
     select before + 1, id - 1 from (select id, lag(id, 1, $1::bigint) over (order by id) as before
       from unnest($2::bigint[]) as id) as step
     where id > before + 1`,
    [topId, fresh],
  );
  await tx.query(`delete from audit_gap where since < now() - interval '7 days'`);
  if (late.length === 0) return;
  await tx.query(
    `with filled as (delete from audit_gap where exists (
       select from unnest($1::bigint[]) as id where id between first_id and last_id) returning *)
     insert into audit_gap (first_id, last_id, since)
     select before + 1, step.id - 1, since from filled, lateral (
       select ends.id, lag(ends.id, 1, first_id - 1) over (order by ends.id) as before
       from (select id from unnest($1::bigint[]) as id where id between first_id and last_id
         union all select last_id + 1) as ends (id)) as step
     where step.id > before + 1`,
    [late],
  );
}

/** The first place that was sealed with a key. */
export async function firstKeyed(tx: Tx, otherwise: number): Promise<number> {
  const [{ seq }] = await tx.query<[{ seq: string | null }]>(
    'select min(first_seq) as seq from audit_seal where key_id is not null',
  );
  return seq === null ? otherwise : Number(seq);
}

/** True when a sealed event has this hash. */
export async function hasHash(tx: Tx, hash: Buffer): Promise<boolean> {
  const rows = await tx.query<unknown[]>('select 1 from audit_seal where $1 = any(hashes) limit 1', [hash]);
  return rows.length > 0;
}

/** A place in the chain, between two rows. */
export interface ChainCursor {
  firstSeq: string;
  place: string;
}
export const chainStart: ChainCursor = { firstSeq: '0', place: '0' };

/** The next rows of the chain, in order. */
export async function sealedRows(
  tx: Tx,
  { firstSeq, place }: ChainCursor,
  most: number,
): Promise<(SealedRow & ChainCursor)[]> {
  const rows = await tx.query<(Omit<SealedRow, 'seq'> & ChainCursor & { seq: string })[]>(
    `select l.id, s.first_seq as "firstSeq", l.place, s.first_seq + l.place - 1 as seq, l.prev_hash as "prevHash",
       l.hash, s.key_id as "keyId", (select ${canonicalRow} from audit_event where id = l.id) as canonical
     from audit_seal s
     cross join unnest(s.event_ids, s.prev_hashes, s.hashes) with ordinality as l(id, prev_hash, hash, place)
     where s.first_seq >= $1 and (s.first_seq > $1 or l.place > $2) order by s.first_seq, l.place limit $3`,
    [firstSeq, place, most],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
}

/** Where an event is in the chain: its place, and its hash; null until it is sealed. */
export interface SealOfEvent {
  seq: string | null;
  hash: Buffer | null;
}

/** An event with its seal, for readers of the log. */
export type LoggedEvent = AuditEvent & SealOfEvent;

/** The events with their seals. */
export async function withSeals<T extends { id: string }>(tx: Tx, events: readonly T[]): Promise<(T & SealOfEvent)[]> {
  const rows = await tx.query<(SealOfEvent & { id: string })[]>(
    `select w.id, s.first_seq + array_position(s.event_ids, w.id) - 1 as seq,
       s.hashes[array_position(s.event_ids, w.id)] as hash
     from unnest($1::bigint[]) as w(id) join audit_seal s on s.id_range @> w.id where w.id = any(s.event_ids)`,
    [events.map(({ id }) => id)],
  );
  const byId = new Map(rows.map(({ id, ...seal }) => [id, seal]));
  return events.map((event) => ({ ...event, ...(byId.get(event.id) ?? { seq: null, hash: null }) }));
}

/** In SQL, the events `e` that no seal has. */
const unsealed = `audit_event e left join (select unnest(event_ids) as id from audit_seal) as s using (id)
  where s.id is null`;

/** The ids of events that were inserted below sealed ones, so that no seal will ever have them. */
export async function strayIds(tx: Tx, most: number): Promise<string[]> {
  const rows = await tx.query<{ id: string }[]>(
    `select id from ${unsealed} and id <= (select max(top_id) from audit_seal)
       and not exists (select from audit_gap g where e.id between g.first_id and g.last_id) order by id limit $1`,
    [most],
  );
  return rows.map(({ id }) => id);
}

/** The places of seals that do not say which ids they and the seals before them have. */
export async function wronglyRanged(tx: Tx, most: number): Promise<number[]> {
  const rows = await tx.query<{ seq: string }[]>(
    `select first_seq as seq from (
       select first_seq, top_id, id_range, low, high, max(high) over (order by first_seq) as top
       from audit_seal, lateral (select min(id) as low, max(id) as high from unnest(event_ids) as id) as ids) as s
     where top_id <> top or id_range <> int8range(low, high, '[]') order by 1 limit $1`,
    [most],
  );
  return rows.map(({ seq }) => Number(seq));
}

/** The number of events that have not been sealed for over a minute. */
export async function countOverdue(tx: Tx): Promise<number> {
  const [{ count }] = await tx.query<[{ count: string }]>(
    `select count(*) from ${unsealed} and e.at < now() - interval '1 minute'`,
  );
  return Number(count);
}
