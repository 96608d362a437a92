import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { factsOf, subscriptionsOf } from '../../notifications/subscription.repository.js';
import { lastingProblems } from '../../notifications/subscription.schema.js';
import type { Tx } from '../../platform/db/database.js';
import { prepared } from '../../platform/db/statement.js';
import { listEvents, Notice } from './notice.entity.js';

/** Certificates of one message. */
const mostTogether = 200;

/** SQL: the subscription `s` and the channel `ch` of the notice `n`; for an escalation the channel that it tells. */
const subscriptionOf = `left join subscription s on s.id = n.subscription_id left join channel ch on ch.id =
  case when n.escalates_id is null then s.channel_id else s.escalate_channel_id end`;

/** SQL: what decides on the channel, and by mail on the owner whom it tells besides. */
const channelOf = `md5(concat(ch.plugin_id, ch.options, ch.sealed_options))`;
const mailedOwner = `case when ch.recipients is not null then lower(c.owner) end`;

/** SQL: of several notices of one occasion, the one with the lowest rank mails an address that all of them would. */
const rank = (n: string, ch: string): string =>
  `(${n}.subscription_id is null, ${ch}.digest is not null, ${ch}.quiet_hours is not null, ${n}.id)`;

/** SQL: the addresses that a notice `m` of the same occasion as `n` mails before it. Expiry tells the owner besides. */
const mailedBy = `select unnest(mch.recipients || case when n.event = 'certificate.expiring'
    and lower(c.owner) <> all(coalesce(ch.recipients, '{}')) then array[lower(c.owner)] else '{}' end)
  from notice m join subscription ms on ms.id = m.subscription_id join channel mch on mch.id = ms.channel_id
  where m.event = n.event and m.created_at = n.created_at and m.escalates_id is null and m.state <> 'dropped'
    and ms.active and mch.active and mch.recipients is not null and ${rank('m', 'mch')} < ${rank('n', 'ch')}`;

const stopped = prepared<{ id: number; hears: boolean; open: boolean }>(
  'notices_stopped',
  `select n.id, s.active and ch.active as open, ch.id is not null and (n.event <> all($2::text[])
     or (n.event = any(s.events) and s.id in (${subscriptionsOf(factsOf('c'))}))) as hears
   from notice n join certificate c on c.id = n.certificate_id ${subscriptionOf}
   where n.id = any($1::int[]) and s.id is not null
   union all select n.id, s.active and ch.active, ch.id is not null from notice n ${subscriptionOf}
   where n.id = any($1::int[]) and s.id is not null and n.certificate_id is null`,
);
const toldElsewhere = prepared<{ address: string }>(
  'notices_told_elsewhere',
  `select address from (
     select n.id, unnest(n.told) as address from notice n where n.id = any($1::int[])
     union select n.id, m.address from notice n join certificate c on c.id = n.certificate_id ${subscriptionOf}
       cross join lateral (${mailedBy} and m.certificate_id = n.certificate_id) as m(address)
       where n.id = any($1::int[]) and n.escalates_id is null
     union select n.id, m.address from notice n join authority c on c.id = n.authority_id ${subscriptionOf}
       cross join lateral (${mailedBy} and m.authority_id = n.authority_id
         and m.certificate_id is null) as m(address)
       where n.id = any($1::int[]) and n.escalates_id is null and n.certificate_id is null) as told
   group by address having count(*) = cardinality($1::int[]) order by address`,
);

/** The notices of one message, in order, and the channel of the first, through which they all go; null for none. */
interface RoutedMessage {
  noticeIds: number[];
  channelId: number | null;
}

/** Every query on which way notices go: to which subscription and channel, with which others, past whom. */
@Injectable()
export class NoticeRouteRepository {
  /**
   * The notices of these ids in groups, each for one message: all expiring certificates of an owner with the same
   * channel, all certificates of a list event and subscription, all that a channel collected for a digest (by mail: of
   * an owner), and every other notice on its own. Notices of an attempt that failed stay together and get no others:
   * their message keeps its key.
   */
  async messages(tx: Tx, noticeIds: readonly number[]): Promise<RoutedMessage[]> {
    return tx.query(
      `with routed as (
         select n.id, n.certificate_id, ch.id as channel_id, n.escalates_id is null as first, case
           when n.claimed_by is not null then concat('again:', n.claimed_by, ${channelOf}, ${mailedOwner})
           when n.hold = 'digest' then concat('digest:', ch.id, ':', ${mailedOwner})
           when n.event = 'certificate.expiring' then concat('expiring:', ${channelOf}, ':', lower(c.owner))
           when n.event = any($2::text[]) then concat(n.event, ':', n.subscription_id) else n.id::text end as route
         from notice n left join certificate c on c.id = n.certificate_id ${subscriptionOf}
         where n.id = any($1::int[])),
       ranked as (
         select *, dense_rank() over (partition by first, route order by certificate_id) as rank from routed)
       select array_agg(id order by id) as "noticeIds", (array_agg(channel_id order by id))[1] as "channelId" from ranked
       group by first, route, (rank - 1) / ${mostTogether} order by 1`,
      [noticeIds, listEvents],
    );
  }

  /** The notices of the message that a channel, or mail without a channel (null), sends or tries next; else none. */
  async nextMessageOf(tx: Tx, channelId: number | null): Promise<Notice[]> {
    const rows: { id: number }[] = await tx.query(
      `with own as (
         select n.id, n.next_attempt_at as at from notice n ${subscriptionOf}
         where n.next_attempt_at is not null
           and case when $1::int is null then s.id is null else ch.id = $1 end)
       select id from own where at = (select min(at) from own) order by id limit 5000`,
      [channelId],
    );
    const ids = rows.map(({ id }) => id);
    const [first] = ids.length > 0 ? await this.messages(tx, ids) : [];
    return tx.find(Notice, { where: { id: In(first?.noticeIds ?? []) }, order: { id: 'ASC' } });
  }

  /**
   * Of these notices, those that must not go out now. `over`: a problem of whose certificate the subscription does not
   * hear any more, or an escalation to nobody. `paused`: the subscription or its channel is switched off. What has
   * happened is told to those who heard of the certificate at that time.
   */
  async stopped(tx: Tx, noticeIds: readonly number[]): Promise<Map<number, 'over' | 'paused'>> {
    const rows = await stopped(tx, [noticeIds, lastingProblems]);
    return new Map(
      rows
        .filter(({ hears, open }) => !hears || !open)
        .map(({ id, hears }) => [id, hears ? ('paused' as const) : ('over' as const)]),
    );
  }

  /**
   * Locks what decides whether these notices go out: who changes their subscriptions, channels or certificates waits.
   * Call it before the notices themselves are locked.
   */
  async lockGrounds(tx: Tx, ids: readonly number[]): Promise<void> {
    await tx.query(
      `select from subscription s join channel ch on ch.id in (s.channel_id, s.escalate_channel_id)
       where s.id in (select subscription_id from notice where id = any($1)) order by s.id, ch.id for share`,
      [ids],
    );
    await tx.query(
      `select from certificate where id in (select certificate_id from notice where id = any($1))
       order by id for no key update`,
      [ids],
    );
  }

  /** What waits because its channel or subscription was switched off is due at once. */
  async releasePaused(tx: Tx, subscriptionId: number, now: Date): Promise<void> {
    await tx.query(
      `update notice set hold = null, next_attempt_at = $2
       where subscription_id = $1 and state = 'due' and hold = 'paused'`,
      [subscriptionId, now],
    );
  }

  /**
   * The addresses, in lower case, that need no mail about any of these notices: an earlier attempt has reached them, or
   * another channel mails them about the same event.
   */
  async toldElsewhere(tx: Tx, noticeIds: readonly number[]): Promise<string[]> {
    return (await toldElsewhere(tx, [noticeIds])).map(({ address }) => address);
  }

  /** When a notice was sent, and the label of its channel; null when it was not. */
  async findSent(tx: Tx, id: number): Promise<{ since: Date; channel: string } | null> {
    const rows: { since: Date; channel: string }[] = await tx.query(
      `select n.sent_at as since, ch.label as channel from notice n join subscription s on s.id = n.subscription_id
       join channel ch on ch.id = s.channel_id where n.id = $1 and n.sent_at is not null`,
      [id],
    );
    return rows[0] ?? null;
  }
}
