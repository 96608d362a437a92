import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { isPartOf, parameterOf, type UnreadPart, unreadParts } from '../../sources/unread-part.js';

/** A certificate at a location of a source. */
export interface SourceLink {
  location: string;
  certificateId: number;
  externalId: string | null;
  /** The owner that the source reports for it, otherwise the owner of the source. */
  owner: string;
  /** True when a log shows that it was issued: nobody uses it there. */
  logged: boolean;
}

/** What identifies a link. */
export type LinkKey = Pick<SourceLink, 'location' | 'certificateId'> & { sourceId: number };

/** An expired certificate at a source that no endpoint serves and no delivery uses. */
export interface Unused {
  certificateId: number;
  name: string;
  sha256: string;
  notAfter: Date;
  location: string;
}

/** A source and a location at which a certificate was found. */
export interface FoundAt {
  sourceId: number;
  location: string;
  externalId: string | null;
  seenAt: Date;
  /** When the second complete scan in a row has not found it there; null until then. */
  staleSince: Date | null;
}

/** A stale link is deleted when it has been stale for so long. */
const keptDays = 90;

/** Every query on `source_certificate`: which certificate is at which location of a source. */
@Injectable()
export class SourceLinkRepository {
  /**
   * Stores the links that the sync `syncId` has seen. A certificate that was at the same location before keeps its link
   * until `noteMissed` finds it stale.
   */
  async see(
    tx: Tx,
    { sourceId, syncId }: { sourceId: number; syncId: number },
    links: readonly SourceLink[],
    now: Date,
  ): Promise<void> {
    // Each link once: `on conflict do update` must not touch a row twice.
    const each = [...new Map(links.map((link) => [`${link.certificateId} ${link.location}`, link])).values()].sort(
      (a, b) => (a.location === b.location ? a.certificateId - b.certificateId : a.location < b.location ? -1 : 1),
    );
    await tx.query(
      `insert into source_certificate
         (source_id, location, certificate_id, external_id, owner, logged, sync_id, first_seen_at, seen_at)
       select $1, w.location, w."certificateId", w."externalId", w.owner, w.logged, $2, $3, $3
         from jsonb_to_recordset($4::jsonb) as w(location text, "certificateId" int, "externalId" text, owner text,
         logged boolean)
       on conflict (source_id, left(location, 300), hashtextextended(location, 0), certificate_id) do update
       set external_id = excluded.external_id, owner = excluded.owner, logged = excluded.logged,
         sync_id = excluded.sync_id, seen_at = excluded.seen_at, missed = 0, stale_since = null`,
      [sourceId, syncId, now, JSON.stringify(each)],
    );
  }

  /** Marks links in these parts of a source as seen, because the source could not be read there. */
  async keep(
    tx: Tx,
    { sourceId, syncId }: { sourceId: number; syncId: number },
    parts: readonly UnreadPart[],
  ): Promise<void> {
    if (parts.length === 0) return;
    await tx.query(
      `update source_certificate l set sync_id = $2 from ${unreadParts('$3', 'w')}
        where l.source_id = $1 and ${isPartOf('l.location', 'w')}`,
      [sourceId, syncId, parameterOf(parts)],
    );
  }

  /**
   * After a complete sync: counts a miss for each link that it has not seen. After two in a row the link is stale; 90
   * days later it is deleted. Returns the ids of certificates that became stale and are nowhere else at the source.
   */
  async noteMissed(tx: Tx, { sourceId, syncId }: { sourceId: number; syncId: number }, now: Date): Promise<number[]> {
    await tx.query(
      `update source_certificate
          set missed = missed + 1, stale_since = case when missed > 0 then coalesce(stale_since, $3) end
        where source_id = $1 and sync_id <> $2`,
      [sourceId, syncId, now],
    );
    await tx.query('delete from source_certificate where source_id = $1 and stale_since < $2', [
      sourceId,
      new Date(now.getTime() - keptDays * 86_400_000),
    ]);
    const rows: { id: number }[] = await tx.query(
      `select distinct certificate_id as id from source_certificate g where source_id = $1 and stale_since = $2
          and missed = 2 and not exists (select from source_certificate l where l.source_id = $1
            and l.certificate_id = g.certificate_id and l.stale_since is null) order by 1`,
      [sourceId, now],
    );
    return rows.map(({ id }) => id);
  }

  /** Deletes the link of a certificate to a location. */
  async forget(tx: Tx, { sourceId, location, certificateId }: LinkKey): Promise<void> {
    await tx.query(
      'delete from source_certificate where source_id = $1 and certificate_id = $3 and left(location, 300) = ' +
        'left($2, 300) and location = $2',
      [sourceId, location, certificateId],
    );
  }

  /**
   * The owners that sources report for each certificate, stale links and logs apart. Certificates that no source has
   * are left out.
   */
  async ownersOf(tx: Tx, certificateIds: readonly number[]): Promise<Map<number, string[]>> {
    const rows: { id: number; owners: string[] }[] = await tx.query(
      `select l.certificate_id as id, array_agg(distinct coalesce(l.owner, s.owner)) as owners
       from source_certificate l join source s on s.id = l.source_id
       where l.certificate_id = any($1) and l.stale_since is null and not l.logged
       group by l.certificate_id`,
      [certificateIds],
    );
    return new Map(rows.map(({ id, owners }) => [id, owners]));
  }

  /** Whether sources have found the certificate, and all of them in public logs. */
  async isOnlyLogged(tx: Tx, certificateId: number): Promise<boolean> {
    const [found] = await tx.query<[{ all: boolean | null }]>(
      'select bool_and(logged) as all from source_certificate where certificate_id = $1',
      [certificateId],
    );
    return found.all ?? false;
  }

  /** Where a certificate was found, by source and location. */
  of(tx: Tx, certificateId: number): Promise<FoundAt[]> {
    return tx.query(
      `select source_id as "sourceId", location, external_id as "externalId", seen_at as "seenAt",
         stale_since as "staleSince"
       from source_certificate where certificate_id = $1 order by source_id, location`,
      [certificateId],
    );
  }

  /**
   * Certificates that the last complete scan of a source has found, or the one of them with the key `one`, that expired
   * before `now`, that no endpoint serves and for which no delivery exists that still acts; the oldest first.
   */
  unused(
    tx: Tx,
    { sourceId, ...one }: { sourceId: number } & Partial<LinkKey>,
    now: Date,
    limit: number,
  ): Promise<Unused[]> {
    return tx.query(
      `select c.id as "certificateId", c.name, c.sha256, c.not_after as "notAfter", l.location
       from source_certificate l join certificate c on c.id = l.certificate_id
       where l.source_id = $1 and ($2::text is null or l.location = $2) and ($5::int is null or c.id = $5)
         and c.not_after < $3 and l.missed = 0
         and not exists (select from endpoint e where e.certificate_id = c.id or e.served_sha256 = c.sha256)
         and not exists (select from delivery d where d.certificate_id = c.id
         and d.state in ('planned', 'failing', 'delivered', 'leaving', 'removing'))
       order by c.not_after, l.location limit $4`,
      [sourceId, one.location ?? null, now, limit, one.certificateId ?? null],
    );
  }
}
