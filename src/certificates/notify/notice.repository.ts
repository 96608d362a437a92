import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { setBackTimes, type StepBack } from '../../jobs/step-back.js';
import { factsOf, subscriptionsOf } from '../../notifications/subscription.repository.js';
import { isHeld } from '../../jobs/lease.js';
import type { NoticeEvent } from '../../plugin-api/events.js';
import { Conditions } from '../../platform/db/conditions.js';
import type { Tx } from '../../platform/db/database.js';
import { exactly, whole } from '../../platform/db/list-filter.js';
import { type ListSource, listPage } from '../../platform/db/list-page.js';
import type { Page, PageQuery } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { leaseOfClaim, Notice, type NoticeState } from './notice.entity.js';

/** A notice with the names of what it is about. */
export type NoticeRow = Pick<
  Notice,
  | 'id'
  | 'escalatesId'
  | 'event'
  | 'state'
  | 'hold'
  | 'attempts'
  | 'fault'
  | 'faultDetail'
  | 'nextAttemptAt'
  | 'sentAt'
  | 'createdAt'
> & {
  certificate: { id: number; name: string } | null;
  authority: { id: number; name: string } | null;
  subscription: { id: number; label: string } | null;
  channel: { id: number; label: string } | null;
};

/** The page of notices to list, and its filters. */
export interface NoticeSelection extends PageQuery {
  state?: NoticeState | undefined;
  event?: NoticeEvent | undefined;
  certificateId?: number | undefined;
  authorityId?: number | undefined;
  subscriptionId?: number | undefined;
  channelId?: number | undefined;
}

const source: ListSource = {
  columns: `n.id, n.escalates_id as "escalatesId", n.event, n.state, n.hold, n.attempts, n.fault,
    n.fault_detail as "faultDetail", n.next_attempt_at as "nextAttemptAt", n.sent_at as "sentAt",
    n.created_at as "createdAt",
    case when c.id is not null then json_build_object('id', c.id, 'name', c.name) end as certificate,
    case when a.id is not null then json_build_object('id', a.id, 'name', a.name) end as authority,
    case when s.id is not null then json_build_object('id', s.id, 'label', s.label) end as subscription,
    case when ch.id is not null then json_build_object('id', ch.id, 'label', ch.label) end as channel`,
  from: `notice n left join certificate c on c.id = n.certificate_id left join authority a on a.id = n.authority_id
    left join subscription s on s.id = n.subscription_id left join channel ch on ch.id =
      case when n.escalates_id is null then s.channel_id else s.escalate_channel_id end`,
  sorts: {
    id: { sql: 'n.id', type: 'int' },
    createdAt: { sql: 'n.created_at', type: 'timestamptz' },
    nextAttemptAt: { sql: 'n.next_attempt_at', type: 'timestamptz' },
  },
  filters: {
    id: whole('n.id'),
    state: exactly('n.state'),
    hold: exactly('n.hold'),
    event: exactly('n.event'),
    fault: exactly('n.fault'),
    certificate: exactly('c.name'),
    authority: exactly('a.name'),
  },
  order: { by: 'id', dir: 'desc' },
};

/** Only notices about certificates and authorities of these owners (lower case); null for all. */
function conditionsOf(owners: readonly string[] | null): Conditions {
  const where = new Conditions();
  if (owners !== null) where.add('lower(coalesce(c.owner, a.owner)) = any(?::text[])', owners);
  return where;
}

/** A notice to store. `subscriptionId`: null for the mail to the owner. */
export interface NewNotice {
  certificateId: number | null;
  subscriptionId: number | null;
  event: NoticeEvent;
  dedupeKey: string;
  data?: Record<string, unknown>;
}

/** One event of one certificate or authority, from which notices are written. */
export interface Occurrence {
  event: NoticeEvent;
  certificateId: number | null;
  authorityId: number | null;
  /** The owner of the certificate or authority. */
  owner: string;
  /** Addresses that get one mail, in addition to the messages of the subscriptions. */
  tell: readonly string[];
  /** Identifies the event. An event with the key of a stored notice gives no second notice. */
  dedupeKey: string;
  data: Record<string, unknown>;
}

/** A notice that was just written, and where it goes; null for the mail to the owner. */
export interface WrittenNotice {
  id: number;
  subscriptionId: number | null;
  channelId: number | null;
}
const returningWritten = `returning id, subscription_id as "subscriptionId",
  (select s.channel_id from subscription s where s.id = notice.subscription_id) as "channelId"`;

/** After this time the sweep enqueues a notice whose job is lost. */
const safetyNetMs = 60_000;

/** SQL: the active subscriptions to this event, `s`, of a certificate with these facts, and their channels `ch`. */
const subscribedTo = (facts: Parameters<typeof subscriptionsOf>[0], event: string): string =>
  `(${subscriptionsOf(facts)}) as scoped join subscription s on s.id = scoped.id
   join channel ch on ch.id = s.channel_id and s.active and ch.active and ${event} = any(s.events)`;

const intoNotice = `insert into notice (certificate_id, authority_id, subscription_id, event, dedupe_key, data, state,
  next_attempt_at, created_at)`;

/** The queries on notices; `NoticeRouteRepository` has those on where they go. */
@Injectable()
export class NoticeRepository {
  /** Writes the notices whose `dedupeKey` is new, and returns those. */
  async add(tx: Tx, notices: readonly NewNotice[], now: Date): Promise<WrittenNotice[]> {
    if (notices.length === 0) return [];
    return tx.query(
      `insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, next_attempt_at, created_at)
       select "certificateId", "subscriptionId", event, "dedupeKey", coalesce(data, '{}'), 'due', $2, $3
       from jsonb_to_recordset($1::jsonb) as n("certificateId" int, "subscriptionId" int, event text, "dedupeKey" text,
       data jsonb)
       on conflict (dedupe_key) do nothing ${returningWritten}`,
      [JSON.stringify(notices), safetyNet(now), now],
    );
  }

  /**
   * Writes for each occurrence a notice for each subscription to its event, and one for `tell` unless one channel
   * already sends to all of these addresses. Skips notices that exist. Returns the new ones, in order.
   */
  async addSubscribed(tx: Tx, occurrences: readonly Occurrence[], now: Date): Promise<WrittenNotice[]> {
    if (occurrences.length === 0) return [];
    const facts = {
      certificateId: 'o."certificateId"',
      owner: 'o.owner',
      authorityId: 'o."authorityId"',
      labels: 'c.labels',
      hearsDefaults: 'coalesce(c.hears_defaults, false)',
    };
    const rows: WrittenNotice[] = await tx.query(
      `with happened as materialized (
         select o.* from jsonb_to_recordset($1::jsonb) as o("certificateId" int, "authorityId" int, owner text,
           event text, tell text[], "dedupeKey" text, data jsonb)),
       heard as materialized (
         select o."dedupeKey", h.* from happened o left join certificate c on c.id = o."certificateId"
         cross join lateral (select s.id, ch.recipients from ${subscribedTo(facts, 'o.event')}) as h)
       ${intoNotice}
       select o."certificateId", case when o."certificateId" is null then o."authorityId" end, h.id, o.event,
         concat(o."dedupeKey", '#' || h.id), o.data, 'due', $2::timestamptz, $3::timestamptz
       from happened o cross join lateral (
         select id from heard where heard."dedupeKey" = o."dedupeKey"
         union all select null::int where cardinality(o.tell) > 0 and not exists (
           select from heard where heard."dedupeKey" = o."dedupeKey" and o.tell <@ heard.recipients)) as h
       order by o."dedupeKey"
       on conflict (dedupe_key) do nothing ${returningWritten}`,
      [JSON.stringify(occurrences.map(withLowerCase)), safetyNet(now), now],
    );
    return rows.sort((a, b) => a.id - b.id);
  }

  /** As `addSubscribed` without owners, for an event that each certificate has once. */
  async addSubscribedOnce(
    tx: Tx,
    event: NoticeEvent,
    certificateIds: readonly number[],
    now: Date,
  ): Promise<WrittenNotice[]> {
    return tx.query(
      `${intoNotice}
       select c.id, null, h.id, $2, format('%s:%s#%s', $2::text, c.id, h.id), '{}', 'due', $3, $4 from certificate c
         cross join lateral (select s.id from ${subscribedTo(factsOf('c'), '$2')}) as h
       where c.id = any($1::int[]) and exists (select from subscription o where o.active and $2 = any(o.events))
       on conflict (dedupe_key) do nothing ${returningWritten}`,
      [certificateIds, event, safetyNet(now), now],
    );
  }

  /** Records notices as sent, here or by another system. Leaves existing ones unchanged. */
  async addSent(tx: Tx, notices: readonly NewNotice[], now: Date): Promise<void> {
    if (notices.length === 0) return;
    await tx.query(
      `insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, sent_at, created_at)
       select "certificateId", "subscriptionId", event, "dedupeKey", coalesce(data, '{}'), 'sent', $2, $2
       from jsonb_to_recordset($1::jsonb) as n("certificateId" int, "subscriptionId" int, event text, "dedupeKey" text,
       data jsonb)
       on conflict (dedupe_key) do nothing`,
      [JSON.stringify(notices), now],
    );
  }

  getMany(tx: Tx, ids: readonly number[]): Promise<Notice[]> {
    return tx.find(Notice, { where: { id: In([...ids]) }, order: { id: 'ASC' } });
  }

  /**
   * Claims the notices of these ids that are due and not claimed, and returns their ids, in order. The claim lasts as
   * long as the lease `leaseOfClaim(claim)`, which the run holds already. `again`: when the sweep enqueues the notices
   * of a run that crashed.
   */
  async claim(tx: Tx, ids: readonly number[], claim: string, again: Date): Promise<number[]> {
    // Only a statement that begins after the rows are locked sees the leases of all who have claimed them.
    await tx.query('select from notice where id = any($1) order by id for update', [ids]);
    const [rows]: [{ id: number }[], number] = await tx.query(
      `update notice set claimed_by = $2, next_attempt_at = greatest(next_attempt_at, $3)
       where id = any($1) and state = 'due'
         and (claimed_by is null or not ${isHeld(`'${leaseOfClaim('')}' || claimed_by`)}) returning id`,
      [ids, claim, again],
    );
    return rows.map(({ id }) => id).sort((a, b) => a - b);
  }

  /** The notices of these ids that are due, locked. */
  lockDue(tx: Tx, ids: readonly number[]): Promise<Notice[]> {
    return tx.find(Notice, {
      where: { id: In([...ids]), state: 'due' },
      order: { id: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
  }

  async save(tx: Tx, notices: readonly Notice[]): Promise<void> {
    await tx.save([...notices]);
  }

  /** The ids of at most `limit` due notices. They are due again at `again` if their job is lost. */
  async takeDue(tx: Tx, now: Date, again: Date, limit: number): Promise<number[]> {
    const [rows]: [{ id: number }[], number] = await tx.query(
      `update notice set next_attempt_at = $2 where id in (
         select id from notice where next_attempt_at <= $1 order by next_attempt_at, id limit $3 for update skip locked)
           returning id`,
      [now, again, limit],
    );
    return rows.map(({ id }) => id);
  }

  /** How many notices that are still tried were refused since `before`, at most 1000. */
  async countRefused(tx: Tx, before: Date): Promise<number> {
    const [{ count }] = await tx.query<[{ count: number }]>(
      'select count(*)::int as count from (select from notice where refused_since <= $1 limit 1000) as refused',
      [before],
    );
    return count;
  }

  /** Sets back the next attempts. The end of a hold is a date. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'notice', column: 'next_attempt_at', only: 'hold is null' }), step);
  }

  /** `owners`: whose certificates and authorities, in lower case; null for all. */
  list(tx: Tx, query: NoticeSelection, owners: readonly string[] | null): Promise<Page<NoticeRow>> {
    const where = conditionsOf(owners);
    // A due notice always has a next attempt, and those have an index.
    if (query.state === 'due') where.add('n.next_attempt_at is not null');
    if (query.state !== undefined) where.add('n.state = ?', query.state);
    if (query.event !== undefined) where.add('n.event = ?', query.event);
    if (query.certificateId !== undefined) where.add('n.certificate_id = ?', query.certificateId);
    if (query.authorityId !== undefined) where.add('n.authority_id = ?', query.authorityId);
    if (query.subscriptionId !== undefined) where.add('n.subscription_id = ?', query.subscriptionId);
    if (query.channelId !== undefined) where.add('ch.id = ?', query.channelId);
    return listPage(tx, source, query, where);
  }

  /** As `list`. Throws Problem `not-found`. */
  async view(tx: Tx, id: number, owners: readonly string[] | null): Promise<NoticeRow> {
    const where = conditionsOf(owners);
    where.add('n.id = ?', id);
    const [found] = await tx.query<NoticeRow[]>(
      `select ${source.columns} from ${source.from} where ${where.sql}`,
      where.values,
    );
    if (!found) throw new Problem('not-found', `There is no notice ${id}.`);
    return found;
  }

  /** What waits for the end of an acknowledgement waits until this moment. */
  async moveAcknowledged(tx: Tx, certificateId: number, event: NoticeEvent, until: Date): Promise<void> {
    await tx.query(
      `update notice set next_attempt_at = $3
       where certificate_id = $1 and event = $2 and state = 'due' and hold = 'acknowledged'`,
      [certificateId, event, until],
    );
  }

  /** What waits for the end of an acknowledgement is due at once. */
  async releaseAcknowledged(tx: Tx, certificateId: number, event: NoticeEvent, now: Date): Promise<void> {
    await tx.query(
      `update notice set hold = null, next_attempt_at = $3
       where certificate_id = $1 and event = $2 and state = 'due' and hold = 'acknowledged'`,
      [certificateId, event, now],
    );
  }

  /** The subscriptions of these notices, which were sent at `now`, are escalated later where they say so. */
  async planEscalations(tx: Tx, ids: readonly number[], events: readonly NoticeEvent[], now: Date): Promise<void> {
    await tx.query(
      `update notice n set escalate_at = $3::timestamptz + s.escalate_after_days * interval '1 day'
       from subscription s where s.id = n.subscription_id and s.escalate_after_days is not null
         and n.id = any($1::int[]) and n.state = 'sent' and n.escalates_id is null and n.event = any($2::text[])`,
      [ids, events, now],
    );
  }

  /** Writes the escalations of at most `limit` notices that are due, to be sent at once. Returns how many were due. */
  async escalate(tx: Tx, now: Date, limit: number): Promise<number> {
    const [{ count }] = await tx.query<[{ count: number }]>(
      `with due as materialized (
         select id from notice where escalate_at <= $1 order by escalate_at limit $2 for update skip locked),
       ended as (update notice set escalate_at = null where id in (select id from due)),
       added as (insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, escalates_id,
         next_attempt_at, created_at)
       select certificate_id, subscription_id, event, dedupe_key || '!', data, 'due', id, $1, $1 from notice
       where id in (select id from due) on conflict (dedupe_key) do nothing)
       select count(*)::int from due`,
      [now, limit],
    );
    return count;
  }

  /** Locked until the transaction ends. */
  lock(tx: Tx, id: number): Promise<Notice> {
    return tx.findOneOrFail(Notice, { where: { id }, lock: { mode: 'pessimistic_write' } });
  }
}

/** When the sweep enqueues a new notice whose job is lost. */
function safetyNet(now: Date): Date {
  return new Date(now.getTime() + safetyNetMs);
}

function withLowerCase(one: Occurrence): Occurrence {
  return { ...one, tell: one.tell.map((address) => address.toLowerCase()) };
}
