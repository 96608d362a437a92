import { Injectable } from '@nestjs/common';
import { factsOf, subscriptionsOf } from '../../notifications/subscription.repository.js';
import type { Summary } from '../../notifications/notice-data.js';
import type { Tx } from '../../platform/db/database.js';
import { timestamp } from '../../platform/db/timestamp.js';
import { hasLabel, hasOwner, isOfAuthority } from '../certificate-scope.js';

/**
 * One certificate with the active subscriptions that warn before it expires. `leads` has one entry for each
 * subscription (`id`) and lead (seconds before `notAfter`). `told`: the notice with this `dedupeKey` is stored already,
 * and was not dropped because nobody had to hear of it.
 */
export interface SubscribedCertificate {
  id: number;
  owner: string;
  /** False if no notice is sent: `notify` off, deleted, not issued, revoked, or replaced by a deployed successor. */
  watched: boolean;
  notBefore: Date;
  notAfter: Date;
  leads: { id: number; leadS: number; mails: boolean; dedupeKey: string; told: boolean }[];
}

/** Which certificates a summary lists. */
interface SummaryBounds {
  now: Date;
  soon: Date;
  most: number;
}

/** SQL: whether the certificate `c` is watched, as `Certificate.watched`. */
export const isWatched =
  `(c.notify and c.deleted_at is null and (c.state = 'issued' or ` +
  `(c.state = 'superseded' and c.awaits_deployment)))`;

/** SQL: active subscriptions `s`, with their channels `ch`, that warn before the certificate `c` expires. */
const warning = `(${subscriptionsOf(factsOf('c'))}) as scoped
   join subscription s on s.id = scoped.id and s.active and cardinality(s.leads_s) > 0
   join channel ch on ch.id = s.channel_id and ch.active`;

const facts = 'c.id, c.notify, c.deleted_at, c.state, c.awaits_deployment, c.not_after';

/** SQL: the certificates in scope of the subscriptions $1. Every branch but the last reads an index. */
const inScope = `(
  select ${facts} from certificate_subscription l join certificate c on c.id = l.certificate_id
   where l.subscription_id = any($1::int[])
  union select ${facts} from subscription s join certificate c on ${hasOwner('s.owner')}
   where s.id = any($1::int[]) and (not s.built_in or c.hears_defaults)
  union select ${facts} from subscription s join certificate c on ${isOfAuthority('s.authority_id')}
   where s.id = any($1::int[])
  union select ${facts} from subscription s
   join certificate c on ${hasLabel('s.certificate_label')}
   where s.id = any($1::int[]) and s.scope = 'label'
  union select ${facts} from subscription s cross join certificate c
   where s.id = any($1::int[]) and s.scope = 'all' and (not s.built_in or c.hears_defaults))`;

/** Every query on the subscriptions of certificates and on their next warning. */
@Injectable()
export class CertificateSubscriptionRepository {
  /** These certificates with their subscriptions, in order of id. Locks the certificates. */
  async of(tx: Tx, certificateIds: readonly number[]): Promise<SubscribedCertificate[]> {
    // A statement that has waited for a row sees the links from before that wait: only the next one sees them changed.
    await tx.query('select from certificate where id = any($1) order by id for update', [certificateIds]);
    return tx.query(
      `select c.id, c.owner, ${isWatched} as watched, c.not_before as "notBefore", c.not_after as "notAfter",
         (select coalesce(json_agg(json_build_object('id', s.id, 'leadS', lead_s, 'dedupeKey', k.key,
            'told', exists (select from notice where dedupe_key = k.key
              and (state <> 'dropped' or fault = 'refused')), 'mails', ch.recipients is not null)), '[]')
            from ${warning} cross join unnest(s.leads_s) as lead_s
            cross join lateral (
              select format('certificate.expiring:%s:%s:%s', c.id, s.id, lead_s) as key) as k) as leads
       from certificate c where c.id = any($1) order by c.id`,
      [certificateIds],
    );
  }

  /** The certificate of a channel, among the 1000 that are warned of next, that is warned of first. */
  async findNextOf(tx: Tx, channelId: number): Promise<number | null> {
    const rows: { id: number }[] = await tx.query(
      `select c.id from (select c.*, n.at from next_notice n join certificate c on c.id = n.certificate_id
         where ${isWatched} order by n.at limit 1000) as c
       where exists (select from ${warning} where ch.id = $1) order by c.at, c.id limit 1`,
      [channelId],
    );
    return rows[0]?.id ?? null;
  }

  /** Stores when the next warning of each certificate, which must be locked, is due; null for none. */
  async planNext(tx: Tx, plans: readonly { id: number; at: Date | null }[]): Promise<void> {
    if (plans.length === 0) return;
    await tx.query(
      `with plan as (select * from jsonb_to_recordset($1::jsonb) as p(id int, at timestamptz)),
         ended as (delete from next_notice where certificate_id in (select id from plan where at is null))
       insert into next_notice as n (certificate_id, at) select id, at from plan where at is not null order by id
       on conflict (certificate_id) do update set at = excluded.at where n.at <> excluded.at`,
      [JSON.stringify(plans.map(({ id, at }) => ({ id, at: timestamp(at) })))],
    );
  }

  /** True when one of these certificates has no active subscription that sends its warnings to this address. */
  async someWithoutRecipient(tx: Tx, certificateIds: readonly number[], address: string): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select from certificate c where c.id = any($1::int[]) and not exists (
         select from ${warning} where lower($2) = any(ch.recipients)) limit 1`,
      [certificateIds, address],
    );
    return rows.length > 0;
  }

  /** Lists certificates with subscriptions. Idempotent. */
  async link(tx: Tx, subscriptionIds: readonly number[], certificateIds: readonly number[]): Promise<void> {
    await tx.query(
      `insert into certificate_subscription (certificate_id, subscription_id)
       select c, s from unnest($1::int[]) as c cross join unnest($2::int[]) as s on conflict do nothing`,
      [certificateIds, subscriptionIds],
    );
  }

  /** From now on the default subscriptions of their owners apply to these certificates. */
  async hearDefaults(tx: Tx, certificateIds: readonly number[]): Promise<void> {
    await tx.query('update certificate set hears_defaults = true where id = any($1::int[]) and not hears_defaults', [
      certificateIds,
    ]);
  }

  /** Locks the watched certificates that expire after `now` and have no warning by mail but these subscriptions. */
  async dependingOn(tx: Tx, subscriptionIds: readonly number[], now: Date): Promise<{ id: number; owner: string }[]> {
    return tx.query(
      `select c.id, c.owner from certificate c
       where c.id in (select id from ${inScope} as h) and ${isWatched} and c.not_after > $2 and not exists (
         select from ${warning} where ch.recipients is not null and s.id <> all($1::int[]))
       order by c.id for update of c`,
      [subscriptionIds, now],
    );
  }

  /**
   * How the watched certificates in scope stand, or all for a null subscription. `certificates`: the first `most` that
   * expire before `soon`.
   */
  async summary(tx: Tx, subscriptionId: number | null, { now, soon, most }: SummaryBounds): Promise<Summary> {
    const [found] = await tx.query<[Summary]>(
      `with heard as materialized (
         select c.id, c.not_after, c.renewal_fault from certificate c
         where ${subscriptionId === null ? '$1::int[] is null' : `c.id in (select id from ${inScope} as h)`}
           and ${isWatched} and c.not_after > $2),
       first as (select id from heard where not_after < $3 order by not_after, id limit $4)
       select count(*)::int as watched, count(*) filter (where not_after < $3)::int as ending,
         count(renewal_fault)::int as failing,
         (select coalesce(json_agg(json_build_object('id', c.id, 'name', c.name, 'commonName', c.common_name,
           'owner', c.owner, 'serialHex', c.serial_hex, 'notAfter', c.not_after) order by c.not_after, c.id), '[]')
           from first join certificate c on c.id = first.id) as certificates
       from heard`,
      [subscriptionId && [subscriptionId], now, soon, most],
    );
    return { ...found, certificates: found.certificates.map((one) => ({ ...one, notAfter: new Date(one.notAfter) })) };
  }

  /** Ids above `after` of watched certificates in scope that expire after `now`, at most 500. */
  async idsOf(tx: Tx, subscriptionId: number, after: number, now: Date): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select c.id from ${inScope} as c where c.id > $2 and ${isWatched} and c.not_after > $3 order by c.id limit 500`,
      [[subscriptionId], after, now],
    );
    return rows.map((row) => row.id);
  }
}
