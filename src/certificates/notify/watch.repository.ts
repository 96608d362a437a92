import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { timestamp } from '../../platform/db/timestamp.js';

/**
 * What decides about the warnings of one certificate. `leads` are its active notifications; those of one `channel` go
 * the same way to the same people, and of one that is `told` the warning has been written already, under its
 * `dedupeKey`.
 */
export interface Watched {
  id: number;
  owner: string;
  /** False when nobody is to be warned: switched off, revoked, in good hands of a successor, not issued. */
  watching: boolean;
  notBefore: Date;
  notAfter: Date;
  leads: { id: number; leadS: number; channel: string; dedupeKey: string; told: boolean }[];
}

/** As `Certificate.watched`. */
const watching =
  `(c.notify and c.deleted_at is null and (c.state = 'issued' or ` +
  `(c.state = 'superseded' and c.awaits_deployment)))`;

/** Reads and plans the warnings of certificates. */
@Injectable()
export class WatchRepository {
  of(tx: Tx, certificateIds: readonly number[]): Promise<Watched[]> {
    return tx.query(
      `select c.id, c.owner, ${watching} as watching, c.not_before as "notBefore", c.not_after as "notAfter",
         (select coalesce(json_agg(json_build_object('id', s.id, 'leadS', lead_s, 'dedupeKey', k.key,
            'told', exists (select from notice where dedupe_key = k.key),
            'channel', md5(concat(ch.plugin_id, ch.options, ch.sealed_options)))), '[]')
            from certificate_subscription l join subscription s on s.id = l.subscription_id
            join channel ch on ch.id = s.channel_id cross join unnest(s.leads_s) as lead_s
            cross join lateral (select format('certificate.expiring:%s:%s:%s', c.id, s.id, lead_s) as key) as k
            where l.certificate_id = c.id and s.active and ch.active) as leads
       from certificate c where c.id = any($1) order by c.id for update of c`,
      [certificateIds],
    );
  }

  async planNext(tx: Tx, plans: readonly { id: number; at: Date | null }[]): Promise<void> {
    if (plans.length === 0) return;
    await tx.query(
      `update certificate c set next_notice_at = p.at
       from jsonb_to_recordset($1::jsonb) as p(id int, at timestamptz) where c.id = p.id`,
      [JSON.stringify(plans.map(({ id, at }) => ({ id, at: timestamp(at) })))],
    );
  }

  /** True when one of these certificates has no active notification that names this mail address (any case). */
  async someWithoutRecipient(tx: Tx, certificateIds: readonly number[], address: string): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select from unnest($1::int[]) as c(id) where not exists (
         select from certificate_subscription l join subscription s on s.id = l.subscription_id
         join channel ch on ch.id = s.channel_id
         where l.certificate_id = c.id and s.active and ch.active and cardinality(s.leads_s) > 0 and lower($2) =
         any(string_to_array(replace(lower(ch.options->>'recipients'), ' ', ''), ','))) limit 1`,
      [certificateIds, address],
    );
    return rows.length > 0;
  }

  /** Lets notifications warn about certificates; those that do already stay as they are. */
  async link(tx: Tx, subscriptionIds: readonly number[], certificateIds: readonly number[]): Promise<void> {
    await tx.query(
      `insert into certificate_subscription (certificate_id, subscription_id)
       select c, n from unnest($1::int[]) as c cross join unnest($2::int[]) as n on conflict do nothing`,
      [certificateIds, subscriptionIds],
    );
  }

  async unlink(tx: Tx, subscriptionId: number, certificateIds: readonly number[]): Promise<void> {
    await tx.query(
      'delete from certificate_subscription where subscription_id = $1 and certificate_id = any($2::int[])',
      [subscriptionId, certificateIds],
    );
  }

  /**
   * Watched certificates that end after `now` and that this notification warns about, and no other active one does.
   * Locks them.
   */
  async boundTo(tx: Tx, subscriptionId: number, now: Date): Promise<{ id: number; owner: string }[]> {
    return tx.query(
      `select c.id, c.owner from certificate_subscription l join certificate c on c.id = l.certificate_id
       where l.subscription_id = $1 and ${watching} and c.not_after > $2 and not exists (
         select from certificate_subscription o join subscription s on s.id = o.subscription_id
         join channel ch on ch.id = s.channel_id
         where o.certificate_id = c.id and s.active and ch.active and cardinality(s.leads_s) > 0 and s.id <> $1)
       order by c.id for update of c`,
      [subscriptionId, now],
    );
  }

  /** Ids above `after` of certificates that this notification watches and that end after `now`, at most 500. */
  async idsOf(tx: Tx, subscriptionId: number, after: number, now: Date): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select certificate_id as id from certificate_subscription l join certificate c on c.id = l.certificate_id
       where l.subscription_id = $1 and c.id > $2 and ${watching} and c.not_after > $3 order by c.id limit 500`,
      [subscriptionId, after, now],
    );
    return rows.map((row) => row.id);
  }
}
