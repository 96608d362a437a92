import { Injectable } from '@nestjs/common';
import { encodeCrlEntry } from '../pki/crl.js';
import { Conditions } from '../platform/db/conditions.js';
import type { Tx } from '../platform/db/database.js';
import { prepared } from '../platform/db/statement.js';

/** CRLReason codes (RFC 5280 §5.3.1). */
export const certificateHold = 6;
export const removeFromCrl = 8;

/** A certificate that its authority revokes or puts on hold. `urls`: the CRLs that it names. */
export interface Revocation {
  authorityId: number;
  serialHex: string;
  notAfter: Date;
  urls: readonly string[];
  reason: number;
  revokedAt: Date;
  invalidityDate: Date | null;
}

/** An entry of a CRL that was made elsewhere. */
export type ImportedRevocation = Omit<Revocation, 'authorityId' | 'urls'>;

/** What one CRL lists. `keptSince`: certificates that expired before are left out. */
export interface Listed {
  authorityId: number;
  /** Null: of all shards. */
  shard: number | null;
  keptSince: Date | null;
  /** For a delta CRL: what has changed since, releases from hold included. */
  changedSince?: Date;
}

/** Entries one behind another; `der` is null when none of them is encoded. */
interface Part {
  der: Buffer | null;
  rows: number;
  encoded: number;
}

interface Bare {
  serialHex: string;
  revokedAt: Date;
  reason: number;
  invalidityDate: Date | null;
}

const ofSerials = prepared<Omit<Revocation, 'urls' | 'invalidityDate'>>(
  'revoked_serials',
  `select authority_id as "authorityId", serial_hex as "serialHex", not_after as "notAfter",
     revoked_at as "revokedAt", reason
   from revoked_certificate where serial_hex = any($1) and reason <> ${removeFromCrl}`,
);

/** About half a megabyte: the event loop is free for others after each. */
const partRows = 10_000;
const encodedAtOnce = 5_000;

/** Every query on what authorities have revoked. */
@Injectable()
export class RevokedRepository {
  /**
   * Adds a revocation. A certificate on hold keeps the date of the hold when it is revoked; what is revoked for good
   * stays as it is. The shard is the one that the certificate names, else one by its serial number until there is one
   * that it names. False when nothing changed, or the key of the authority is elsewhere.
   */
  async add(tx: Tx, { urls, ...given }: Revocation): Promise<boolean> {
    const { authorityId, serialHex, notAfter, reason, revokedAt, invalidityDate } = given;
    const entryDer = encodeCrlEntry({ ...given, serial: magnitudeOf(serialHex) });
    // Its lists do not become more meanwhile.
    await tx.query('select from authority where id = $1 for share', [authorityId]);
    const rows: unknown[] = await tx.query(
      `insert into revoked_certificate as r
         (authority_id, serial_hex, not_after, revoked_at, reason, invalidity_date, changed_at, entry_der, shard,
          urls)
       select a.id, $2, $3, $4, $5, $6, $4, $8::bytea,
         coalesce(named.shard, ${shardBySerial('$2')} % nullif(named.shards, 0)::int),
         case when named.shard is null then nullif($7::text[], '{}') end
       from authority a cross join lateral (
         select min(shard) filter (where urls && $7::text[]) as shard, count(distinct shard) as shards
         from crl where authority_id = a.id) named
       where a.id = $1 and a.key_id is not null
       on conflict (authority_id, serial_hex) do update set
         reason = excluded.reason, changed_at = excluded.changed_at, entry_der = null,
         revoked_at = case r.reason when ${certificateHold} then r.revoked_at else excluded.revoked_at end,
         invalidity_date = coalesce(excluded.invalidity_date, r.invalidity_date)
       where r.reason in (${certificateHold}, ${removeFromCrl}) and r.reason <> excluded.reason
       returning true`,
      [authorityId, serialHex, notAfter, revokedAt, reason, invalidityDate, urls, entryDer],
    );
    return rows.length > 0;
  }

  /**
   * Adds what the CA has revoked elsewhere; each serial number once. What is revoked or released here stays as it is,
   * but a hold gives way to a revocation. The number of rows that are new or have changed.
   */
  async addMany(tx: Tx, authorityId: number, given: readonly ImportedRevocation[], now: Date): Promise<number> {
    await tx.query('select from authority where id = $1 for share', [authorityId]);
    const rows: unknown[] = await tx.query(
      `insert into revoked_certificate as r
         (authority_id, serial_hex, not_after, revoked_at, reason, invalidity_date, changed_at, shard)
       select $1, n.serial_hex, n.not_after, n.revoked_at, n.reason, n.invalidity_date, $7,
         ${shardBySerial('n.serial_hex')} % nullif(shards.count, 0)::int
       from unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::int[], $6::timestamptz[])
         as n(serial_hex, not_after, revoked_at, reason, invalidity_date)
       cross join (select count(distinct shard) as count from crl where authority_id = $1) shards
       on conflict (authority_id, serial_hex) do update set
         reason = excluded.reason, changed_at = excluded.changed_at, entry_der = null,
         invalidity_date = coalesce(excluded.invalidity_date, r.invalidity_date)
       where r.reason in (${certificateHold}, ${removeFromCrl})
         and excluded.reason not in (${certificateHold}, ${removeFromCrl})
       returning true`,
      [
        authorityId,
        given.map(({ serialHex }) => serialHex),
        given.map(({ notAfter }) => notAfter),
        given.map(({ revokedAt }) => revokedAt),
        given.map(({ reason }) => reason),
        given.map(({ invalidityDate }) => invalidityDate),
        now,
      ],
    );
    return rows.length;
  }

  /** Ends a hold. False when the certificate is not on hold. */
  async release(tx: Tx, authorityId: number, serialHex: string, at: Date): Promise<boolean> {
    const [rows]: [unknown[], number] = await tx.query(
      `update revoked_certificate set reason = ${removeFromCrl}, changed_at = $3, entry_der = null
       where authority_id = $1 and serial_hex = $2 and reason = ${certificateHold} returning true`,
      [authorityId, serialHex, at],
    );
    return rows.length > 0;
  }

  /** For good: a hold may end. */
  async isRevoked(tx: Tx, authorityId: number, serialHex: string): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select from revoked_certificate where authority_id = $1 and serial_hex = $2
         and reason not in (${certificateHold}, ${removeFromCrl})`,
      [authorityId, serialHex],
    );
    return rows.length > 0;
  }

  /** What is revoked or on hold of these serial numbers, whichever authority issued them. */
  ofSerials(tx: Tx, serials: readonly string[]): Promise<Omit<Revocation, 'urls' | 'invalidityDate'>[]> {
    return ofSerials(tx, [serials]);
  }

  /**
   * Gives those without a shard one, now that the authority has so many, and moves those that name a list which was not
   * there before. Changed at `at`, so that a delta CRL lists them.
   */
  async assignShards(tx: Tx, authorityId: number, shards: number, at: Date): Promise<void> {
    await tx.query(
      `update revoked_certificate r set shard = named.shard, urls = null, changed_at = $2
       from revoked_certificate o cross join lateral (
         select min(shard) as shard from crl where authority_id = $1 and urls && o.urls) named
       where o.authority_id = $1 and o.urls is not null and named.shard is not null
         and r.authority_id = $1 and r.serial_hex = o.serial_hex`,
      [authorityId, at],
    );
    await tx.query(
      `update revoked_certificate set shard = ${shardBySerial('serial_hex')} % $2::int
       where authority_id = $1 and shard is null`,
      [authorityId, shards],
    );
  }

  /** The encoded entries, in parts of many entries, and how many there are. */
  async entriesOf(tx: Tx, listed: Listed, signal: AbortSignal): Promise<{ parts: Buffer[]; count: number }> {
    for (;;) {
      await this.encode(tx, listed.authorityId, signal);
      signal.throwIfAborted();
      const found = await this.parts(tx, listed);
      const isEncoded = found.every(({ rows, encoded }) => rows === encoded);
      // Others are revoked, held and released meanwhile.
      if (!isEncoded) continue;
      return { parts: found.flatMap(({ der }) => der ?? []), count: found.reduce((sum, { rows }) => sum + rows, 0) };
    }
  }

  /**
   * In one statement, so that all are of one moment, and in the order in which they are stored: in that of the serial
   * numbers, which are random, each entry costs the server a page, and a million of them ten seconds.
   */
  private parts(tx: Tx, { authorityId, shard, keptSince, changedSince }: Listed): Promise<Part[]> {
    const where = new Conditions();
    where.add('authority_id = ?', authorityId);
    if (shard !== null) where.add('shard = ?', shard);
    if (keptSince) where.add('not_after >= ?', keptSince);
    if (changedSince) where.add('changed_at >= ?', changedSince);
    else where.add(`reason <> ${removeFromCrl}`);
    return tx.query(
      `select string_agg(entry_der, '') as der, count(*)::int as rows, count(entry_der)::int as encoded
       from (select entry_der, row_number() over () / ${partRows} as part
         from revoked_certificate where ${where.sql}) one
       group by part`,
      where.values,
    );
  }

  /**
   * Encodes what is not encoded since it was revoked, as after a hold. A row that changes meanwhile stays for the next
   * round.
   */
  private async encode(tx: Tx, authorityId: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const rows: Bare[] = await tx.query(
        `select serial_hex as "serialHex", revoked_at as "revokedAt", reason, invalidity_date as "invalidityDate"
         from revoked_certificate where authority_id = $1 and entry_der is null limit ${encodedAtOnce}`,
        [authorityId],
      );
      if (rows.length === 0) return;
      const entries = rows.map((row) => encodeCrlEntry({ ...row, serial: magnitudeOf(row.serialHex) }));
      await tx.query(
        `update revoked_certificate r set entry_der = new.der
         from unnest($2::text[], $3::bytea[], $4::int[]) as new(serial_hex, der, reason)
         where r.authority_id = $1 and r.serial_hex = new.serial_hex and r.reason = new.reason and r.entry_der is null`,
        [authorityId, rows.map(({ serialHex }) => serialHex), entries, rows.map(({ reason }) => reason)],
      );
    }
  }
}

/** SQL: a number of 24 bits that the last digits of a serial number give. */
function shardBySerial(serialHex: string): string {
  return `('x' || lpad(right(replace(${serialHex}, '-', ''), 6), 8, '0'))::bit(32)::int`;
}

/** A negative serial number, which no CA here assigns, is listed by its digits. */
function magnitudeOf(serialHex: string): Buffer {
  const digits = serialHex.replace(/^-/, '');
  return Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
}
