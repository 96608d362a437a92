import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { isWatched } from './certificate-subscription.repository.js';

/**
 * SQL: the certificates $1 as `taken`, and as `leads` one row for each active subscription and lead that warns of a
 * watched one. Joins whole sets: `subscriptionsOf` searches for each certificate, which takes ten times as long for
 * thousands. `at` is as `leadMs` says.
 */
const leadsOfMany = `
  taken as materialized (
    select c.id, lower(c.owner) as owner, c.authority_id, c.labels, c.hears_defaults, c.not_after,
      ${isWatched} as watched, extract(epoch from c.not_after - c.not_before) as lifetime_s
    from certificate c where c.id = any($1::int[])),
  scoped (certificate_id, id) as (
    select l.certificate_id, l.subscription_id from certificate_subscription l where l.certificate_id = any($1::int[])
    union select t.id, s.id from taken t join subscription s on s.scope = 'owner' and s.owner = t.owner
      and (not s.built_in or t.hears_defaults)
    union select t.id, s.id from taken t join subscription s on s.scope = 'authority'
      and s.authority_id = t.authority_id
    union select t.id, s.id from taken t join subscription s on s.scope = 'label'
      and s.certificate_label = any(t.labels)
    union select t.id, s.id from taken t join subscription s on s.scope = 'all'
      and (not s.built_in or t.hears_defaults)),
  leads as materialized (
    select t.id, s.id as subscription_id, format('certificate.expiring:%s:%s:%s', t.id, s.id, lead_s) as dedupe_key,
      ch.recipients is not null as mails, t.not_after - interval '1 second'
        * case when lead_s > t.lifetime_s / 2 then t.lifetime_s / 4 else lead_s end as at
    from scoped join taken t on t.id = scoped.certificate_id and t.watched
    join subscription s on s.id = scoped.id and s.active join channel ch on ch.id = s.channel_id and ch.active
    cross join unnest(s.leads_s) as lead_s)`;

/** The statements of the expiry sweep, each for thousands of certificates. */
@Injectable()
export class ExpiryLedgerRepository {
  /**
   * The ids of at most `limit` certificates with a warning that is due, locked. Skips what others have locked. What is
   * due first comes first, and certificates of one moment in any order: a mass import can be due at one moment.
   */
  async take(tx: Tx, now: Date, limit: number): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select c.id from next_notice n join certificate c on c.id = n.certificate_id
       where n.at <= $1 order by n.at limit $2
       for update of n skip locked for no key update of c skip locked`,
      [now, limit],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Writes a notice for each lead that is due and has none, and plans the next warning of each certificate. The notices
   * are due at once. One that was dropped while the certificate was not watched, or not by its subscription, counts for
   * none. Unless `evenUnmailed`, leaves out those that are watched and have no warning by mail: returns their ids.
   */
  async warn(tx: Tx, certificateIds: readonly number[], now: Date, evenUnmailed = false): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `with ${leadsOfMany},
       unmailed as materialized (
         select id from taken where watched and not $3::boolean and id not in (select id from leads where mails)),
       added as (
         insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, next_attempt_at,
           created_at)
         select id, subscription_id, 'certificate.expiring', dedupe_key, '{}', 'due', $2, $2 from leads
         where at <= $2 and id not in (select id from unmailed) order by id
         on conflict (dedupe_key) do update set state = 'due', hold = null, attempts = 0, claimed_by = null,
           next_attempt_at = excluded.next_attempt_at, created_at = excluded.created_at
           where notice.state = 'dropped' and notice.fault is distinct from 'refused'),
       plan as materialized (
         select t.id, min(l.at) filter (where l.at > $2) as at from taken t left join leads l on l.id = t.id
         where t.id not in (select id from unmailed) group by t.id),
       ended as (
         delete from next_notice where certificate_id = any(array(select id from plan where at is null))),
       moved as (
         update next_notice n set at = p.at from plan p
         where n.certificate_id = any($1::int[]) and n.certificate_id = p.id and p.at is not null)
       select id from unmailed order by id`,
      [certificateIds, now, evenUnmailed],
    );
    return rows.map(({ id }) => id);
  }
}
