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

/** The most events of gaps in one batch, so that places are left for new events. */
export const mostLate = mostSealed / 2;

/** Chains do not become so long: seals with higher places are not the program's. */
export const highestPlace = 2 ** 52;

/** The newest seal: its last place, and the hash there. */
export type NewestSeal = Pick<AuditHead, 'seq' | 'hash'>;

/**
 * Place 0 when nothing is sealed. Without `most`, the place of a seal from outside may be beyond exact numbers.
 * @param most no seal that begins after this place
 */
export async function newestSeal(tx: Tx, most: number | null = null): Promise<NewestSeal> {
  const [row] = await tx.query<{ seq: string; hash: Buffer }[]>(
    `select first_seq::numeric + cardinality(hashes) - 1 as seq, hashes[cardinality(hashes)] as hash
     from audit_seal where $1::bigint is null or first_seq <= $1 order by first_seq desc limit 1`,
    [most],
  );
  return row ? { ...row, seq: Number(row.seq) } : { seq: 0, hash: genesis };
}

/**
 * The highest sealed id: the events that are not sealed have higher ids, or are in a gap. Asks the seal that the head
 * names: a seal after it is not the program's.
 */
export async function topIdAt(tx: Tx, { seq, hash }: NewestSeal): Promise<string> {
  const [{ topId }] = await tx.query<[{ topId: string }]>(
    `select coalesce(
       (select top_id from audit_seal where first_seq > $1::bigint - ${mostSealed + 1} and first_seq <= $1
         and hashes[cardinality(hashes)] = $2 order by first_seq limit 1),
       (select top_id from audit_seal where first_seq <= $1 order by first_seq desc limit 1), 0) as "topId"`,
    [seq, hash],
  );
  return topId;
}

/** The first place from `seq` on that a batch can follow: no seal begins in the places after it. */
export async function freeAfter(tx: Tx, seq: number): Promise<number> {
  const [{ end }] = await tx.query<[{ end: string | null }]>(
    `select max(first_seq + cardinality(hashes) - 1) as end from audit_seal
     where first_seq > $1 and first_seq <= $1::bigint + ${mostSealed}`,
    [seq],
  );
  return end === null ? seq : freeAfter(tx, Number(end));
}

/**
 * Committed events that are not sealed: first those that committed after higher ids were sealed. `sealed`: the ids in
 * gaps that a seal up to `seq` has, so that the gap is not the program's.
 */
export async function openEvents(
  tx: Tx,
  topId: string,
  seq: number,
): Promise<{ late: OpenEvent[]; fresh: OpenEvent[]; sealed: string[] }> {
  const found = await tx.query<(OpenEvent & { sealed: boolean })[]>(
    `select id, ${canonicalRow} as canonical, exists (select from audit_seal s
       where s.id_range @> audit_event.id and s.first_seq <= $2 and audit_event.id = any(s.event_ids)) as sealed
     from audit_event where id in (
       select e.id from (select first_id, last_id from audit_gap where first_id <= $1::bigint order by first_id) as g
       cross join lateral (select id from audit_event where id between g.first_id and least(g.last_id, $1::bigint)
         order by id limit ${mostLate}) as e limit ${mostLate})
     order by id`,
    [topId, seq],
  );
  const late = found.filter(({ sealed }) => !sealed);
  const fresh = await tx.query<OpenEvent[]>(
    `select id, ${canonicalRow} as canonical from audit_event where id > $1 order by id limit $2`,
    [topId, mostSealed - late.length],
  );
  return { late, fresh, sealed: found.filter(({ sealed }) => sealed).map(({ id }) => id) };
}

/** Stores the links of events in the order of `ids`; `hashes` has the hash before the first one, too. */
export async function writeSeal(
  tx: Tx,
  seal: { firstSeq: number; keyId: string; topId: string; ids: readonly string[]; hashes: Buffer[] },
): Promise<void> {
  const { firstSeq, keyId, topId, ids, hashes } = seal;
  await tx.query(
    `insert into audit_seal (first_seq, event_ids, prev_hashes, hashes, key_id, top_id, id_range)
     select $1, $2::bigint[], $3, $4, $5, greatest(max(id), $6::bigint), int8range(min(id), max(id), '[]')
     from unnest($2::bigint[]) as id`,
    [firstSeq, ids, hashes.slice(0, -1), hashes.slice(1), keyId, topId],
  );
}

/** In SQL: the highest id that the program has given to an event. Ids above it are still to come. */
const lastGiven = '(select last_value from audit_event_id_seq)';

/**
 * Remembers which ids below the highest sealed one are missing: their transactions may still be open. After a week they
 * are not: they were rolled back. `filled`: the ids that leave the gaps.
 */
export async function recordGaps(
  tx: Tx,
  topId: string,
  { filled, fresh }: Record<'filled' | 'fresh', readonly string[]>,
): Promise<void> {
  // The program's gaps end below the highest sealed id.
  await tx.query('delete from audit_gap where first_id > $1', [topId]);
  await tx.query('update audit_gap set last_id = $1 where last_id > $1', [topId]);
  await tx.query(
    `insert into audit_gap (first_id, last_id)
     select before + 1, id - 1 from (select id, lag(id, 1, $1::bigint) over (order by id) as before
       from unnest($2::bigint[]) as id) as step
     where id > before + 1`,
    [topId, fresh],
  );
  await tx.query(`delete from audit_gap where since < now() - interval '7 days' and last_id <= ${lastGiven}`);
  if (filled.length === 0) return;
  await tx.query(
    `with filled as (delete from audit_gap where exists (
       select from unnest($1::bigint[]) as id where id between first_id and last_id) returning *)
     insert into audit_gap (first_id, last_id, since)
     select before + 1, max(step.id - 1), max(case when last_id > ${lastGiven} then now() else since end)
     from filled, lateral (
       select ends.id, lag(ends.id, 1, first_id - 1) over (order by ends.id) as before
       from (select id from unnest($1::bigint[]) as id where id between first_id and last_id
         union all select last_id + 1) as ends (id)) as step
     where step.id > before + 1 group by 1
     -- A gap that is not the program's may begin where one of the program's does.
     on conflict (first_id) do update set
       last_id = greatest(audit_gap.last_id, excluded.last_id), since = greatest(audit_gap.since, excluded.since)`,
    [filled],
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
    `select l.id, s.first_seq as "firstSeq", l.place, s.first_seq::numeric + l.place - 1 as seq, l.prev_hash as "prevHash",
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
    `select w.id, s.first_seq::numeric + array_position(s.event_ids, w.id) - 1 as seq,
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
export async function strayIds(tx: Tx, topId: string, most: number): Promise<string[]> {
  const rows = await tx.query<{ id: string }[]>(
    `select id from ${unsealed} and id <= $1::bigint
       and not exists (select from audit_gap g where e.id between g.first_id and g.last_id) order by id limit $2`,
    [topId, most],
  );
  return rows.map(({ id }) => id);
}

/** The last places of events that the chain has more than once. */
export async function repeatedEvents(tx: Tx, most: number): Promise<{ seq: number; id: string }[]> {
  const rows = await tx.query<{ seq: string; id: string }[]>(
    `select l.id, max(s.first_seq::numeric + l.place - 1) as seq
     from audit_seal s cross join unnest(s.event_ids) with ordinality as l(id, place)
     group by l.id having count(*) > 1 order by seq limit $1`,
    [most],
  );
  return rows.map(({ seq, id }) => ({ seq: Number(seq), id }));
}

/** The places of seals that do not say which ids they and the seals before them have. */
export async function wronglyRanged(tx: Tx, most: number): Promise<number[]> {
  const rows = await tx.query<{ seq: string }[]>(
    `select first_seq as seq from (
       select first_seq, top_id, id_range, low, high, greatest(high, lag(top_id) over (order by first_seq)) as top
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
