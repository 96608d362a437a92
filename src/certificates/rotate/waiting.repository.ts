import { Injectable } from '@nestjs/common';
import { isUnfinished } from '../../jobs/outbox.js';
import type { Tx } from '../../platform/db/database.js';
import { urgentReasons } from '../../rotation/due.js';
import type { DueRenewal } from '../../rotation/holds.js';
import type { Certificate } from '../certificate.entity.js';

/** A due renewal, with the policy that decides about it. */
export type TakenRenewal = DueRenewal & { policyId: number };

/** The place of a certificate in the order of due dates. `dueAt`: as PostgreSQL writes it, with microseconds. */
export interface DueKey {
  id: number;
  dueAt: string;
}

/** A renewal to hold: `pauseId` for a pause, null for a limit. */
export interface NewWait {
  id: number;
  pauseId: number | null;
}

/** What a certificate waits for: the end of a pause, or (`pauseId` null) a limit. */
export interface Wait {
  pauseId: number | null;
  since: Date;
}

const sources =
  'array(select source_id from source_certificate where certificate_id = c.id and stale_since is null) as "sourceIds"';
const taken = `c.id, c.authority_id as "authorityId", c.rotation_policy_id as "policyId", c.not_before as "notBefore",
  c.not_after as "notAfter", c.spki_sha256 as "spkiSha256", c.renewal_reason as reason, ${sources},
  (select last_at from renewal_info where certificate_id = c.id) as "suggestedLastAt"`;
/** A renewal whose job has died is tried again after this time. */
const deadS = 600;
const mostCounted = 100_000;
/** Without certificates that have been renewed, revoked or deleted while they waited. */
const waits = `renewal_wait w join certificate c on c.id = w.certificate_id and c.next_renewal_at is not null`;

/**
 * Every query on renewals that are due, and on those that wait. Certificates are locked before what says that they
 * wait.
 */
@Injectable()
export class WaitingRepository {
  /**
   * At most `limit` certificates whose renewal is due and has no `job`: after `after`, in the order of their dates,
   * locked. Skips what others have locked. The dates stay: what is taken must get a job or another date.
   */
  async takeDue(
    tx: Tx,
    now: Date,
    { job, after, limit }: { job: { name: string }; after: DueKey | null; limit: number },
  ): Promise<(TakenRenewal & DueKey)[]> {
    // One at a time: a statement that began before another one ended would not see the jobs of its renewals.
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('renewals', 0))`);
    return tx.query(
      `select ${taken}, c.next_renewal_at::text as "dueAt" from certificate c
       where c.next_renewal_at <= $1 and (c.next_renewal_at, c.id) > ($2::timestamptz, $3::int)
         and not ${isUnfinished(job, 'certificateId', 'c.id', deadS)}
       order by c.next_renewal_at, c.id limit $4 for no key update of c skip locked`,
      [now, after?.dueAt ?? '-infinity', after?.id ?? 0, limit],
    );
  }

  /**
   * The certificates that wait for a limit and may begin now, those that expire first at first. They are due
   * again at `again`. `rooms`: how many of each limited authority; `most`: how many in all.
   */
  async takeWaiting(
    tx: Tx,
    { rooms, most, again }: { rooms: ReadonlyMap<number, number>; most: number; again: Date },
  ): Promise<TakenRenewal[]> {
    const next: { id: number }[] = await tx.query(
      `select w.certificate_id as id from authority a
         left join jsonb_to_recordset($1) as r(id int, room int) on r.id = a.id
         cross join lateral (select certificate_id, not_after from renewal_wait
           where authority_id = a.id and pause_id is null order by not_after, certificate_id
           limit least(r.room, $2)) w
       order by w.not_after, w.certificate_id limit $2`,
      [JSON.stringify([...rooms].map(([id, room]) => ({ id, room }))), most],
    );
    const ids = next.map(({ id }) => id);
    // In the order in which others lock certificates, so that none waits for the other.
    await tx.query('select from certificate where id = any($1) order by id for no key update', [ids]);
    const due: [TakenRenewal[], number] = await tx.query(
      `update certificate c set next_renewal_at = $2 where id = any($1) and next_renewal_at is not null
       returning ${taken}`,
      [ids, again],
    );
    await this.remove(tx, ids);
    return due[0];
  }

  /** Moves when these renewals are decided about again. */
  async moveAll(tx: Tx, moved: readonly { id: number; at: Date }[]): Promise<void> {
    await tx.query(
      `update certificate c set next_renewal_at = m.at
       from jsonb_to_recordset($1) as m(id int, at timestamptz) where c.id = m.id and c.next_renewal_at is not null`,
      [JSON.stringify(moved)],
    );
  }

  async add(tx: Tx, waits: readonly NewWait[], now: Date): Promise<void> {
    await tx.query(
      `insert into renewal_wait (certificate_id, authority_id, not_after, pause_id, since)
       select c.id, c.authority_id, c.not_after, w."pauseId", $2
       from jsonb_to_recordset($1) as w(id int, "pauseId" int) join certificate c on c.id = w.id
       where c.authority_id is not null
       on conflict (certificate_id) do update set pause_id = excluded.pause_id, not_after = excluded.not_after,
         authority_id = excluded.authority_id`,
      [JSON.stringify(waits), now],
    );
  }

  /** These certificates were planned again: those that are not due at `now` wait no more. */
  async removePlanned(tx: Tx, planned: readonly Pick<Certificate, 'id' | 'nextRenewalAt'>[], now: Date): Promise<void> {
    const later = planned.filter(({ nextRenewalAt: at }) => at === null || at > now);
    if (later.length === 0) return;
    await tx.query('delete from renewal_wait where certificate_id = any($1)', [later.map(({ id }) => id)]);
  }

  /** These wait no more. Returns those that have waited for a limit. */
  async remove(tx: Tx, ids: readonly number[]): Promise<Set<number>> {
    const rows: [{ id: number; pauseId: number | null }[], number] = await tx.query(
      'delete from renewal_wait where certificate_id = any($1) returning certificate_id as id, pause_id as "pauseId"',
      [ids],
    );
    return new Set(rows[0].filter(({ pauseId }) => pauseId === null).map(({ id }) => id));
  }

  /**
   * Lets at most `limit` renewals go on that a pause held: evenly in the `spreadMs` after `now`, and no later than
   * their emergency (`defaultFraction` of the lifetime unless their policy says otherwise, or the end of the window
   * that the CA suggests; urgent ones begin at once). Returns how many.
   */
  async release(
    tx: Tx,
    pauseId: number,
    { now, spreadMs, defaultFraction, limit }: { now: Date; spreadMs: number; defaultFraction: number; limit: number },
  ): Promise<number> {
    const held: { id: number }[] = await tx.query(
      'select certificate_id as id from renewal_wait where pause_id = $1 order by certificate_id limit $2',
      [pauseId, limit],
    );
    const ids = held.map(({ id }) => id);
    await tx.query(
      `update certificate c set next_renewal_at = greatest($2::timestamptz, least(
           $2::timestamptz + $3 * interval '1 millisecond'
             * (('x' || left(c.spki_sha256, 8))::bit(32)::bigint / 4294967296.0),
           c.not_after - (c.not_after - c.not_before) * coalesce(p.emergency_fraction, $4),
           (select last_at from renewal_info where certificate_id = c.id),
           case when c.renewal_reason = any($5) then $2::timestamptz end))
       from rotation_policy p
       where c.id = any($1) and p.id = c.rotation_policy_id and c.next_renewal_at is not null`,
      [ids, now, spreadMs, defaultFraction, urgentReasons],
    );
    await this.remove(tx, ids);
    return ids.length;
  }

  /**
   * At most `limit` renewals that a pause holds, after the certificate `after`, are decided about again at `now`.
   * Returns the last of them, or null when there are no more.
   */
  async lookAgain(
    tx: Tx,
    pauseId: number,
    { now, after, limit }: { now: Date; after: number; limit: number },
  ): Promise<number | null> {
    const held: { id: number }[] = await tx.query(
      `select certificate_id as id from renewal_wait where pause_id = $1 and certificate_id > $2
       order by certificate_id limit $3`,
      [pauseId, after, limit],
    );
    const ids = held.map(({ id }) => id);
    await tx.query('update certificate set next_renewal_at = $2 where id = any($1) and next_renewal_at > $2', [
      ids,
      now,
    ]);
    return ids.length === limit ? (ids.at(-1) ?? null) : null;
  }

  /** The sources that find the certificate. */
  async sourcesOf(tx: Tx, certificateId: number): Promise<number[]> {
    return (await this.sourcesOfMany(tx, [certificateId])).get(certificateId) ?? [];
  }

  /** The sources that find each certificate. */
  async sourcesOfMany(tx: Tx, certificateIds: readonly number[]): Promise<Map<number, number[]>> {
    const rows: { id: number; sourceIds: number[] }[] = await tx.query(
      `select id, ${sources} from certificate c where id = any($1::int[])`,
      [certificateIds],
    );
    return new Map(rows.map(({ id, sourceIds }) => [id, sourceIds]));
  }

  async find(tx: Tx, certificateId: number): Promise<Wait | null> {
    const rows: Wait[] = await tx.query(
      'select pause_id as "pauseId", since from renewal_wait where certificate_id = $1',
      [certificateId],
    );
    return rows[0] ?? null;
  }

  /**
   * How many renewals wait for a limit and expire before this one: in all, and at its authority. Counts to 100,000.
   */
  async ahead(tx: Tx, certificateId: number): Promise<{ all: number; authority: number }> {
    const counted = (where: string): string =>
      `(select count(*)::int from (select from renewal_wait w where pause_id is null and ${where}
         and (w.not_after, w.certificate_id) < (o.not_after, o.certificate_id) limit ${mostCounted}) n)`;
    const [found] = await tx.query<{ all: number; authority: number }[]>(
      `select ${counted('true')} as all, ${counted('w.authority_id = o.authority_id')} as authority
       from renewal_wait o where o.certificate_id = $1`,
      [certificateId],
    );
    return found ?? { all: 0, authority: 0 };
  }

  /** How many renewals wait for a limit, and for the end of a pause. */
  async count(tx: Tx): Promise<{ limit: number; pause: number }> {
    const [found] = await tx.query<[{ limit: number; pause: number }]>(
      `select count(*) filter (where w.pause_id is null)::int as limit, count(w.pause_id)::int as pause
       from ${waits}`,
    );
    return found;
  }
}
