import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { factsOf, subscriptionsOf } from '../../notifications/subscription.repository.js';
import type { NoticeEvent } from '../../plugin-api/events.js';
import type { Tx } from '../../platform/db/database.js';
import { Notice } from './notice.entity.js';

/** A notice to store. `subscriptionId`: null for the mail to the owner. */
export interface NewNotice {
  certificateId: number;
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

/** After this time the sweep enqueues a notice whose job is lost. */
const safetyNetMs = 60_000;

/** SQL: the active subscriptions to this event, `s`, of a certificate with these facts, and their channels `ch`. */
const subscribedTo = (facts: Parameters<typeof subscriptionsOf>[0], event: string): string =>
  `(${subscriptionsOf(facts)}) as scoped join subscription s on s.id = scoped.id
   join channel ch on ch.id = s.channel_id and s.active and ch.active and ${event} = any(s.events)`;

const intoNotice = `insert into notice (certificate_id, authority_id, subscription_id, event, dedupe_key, data, state,
  next_attempt_at, created_at)`;

/** Every query on notices. */
@Injectable()
export class NoticeRepository {
  /** Writes the notices whose `dedupeKey` is new, and returns their ids. */
  async add(tx: Tx, notices: readonly NewNotice[], now: Date): Promise<number[]> {
    if (notices.length === 0) return [];
    const rows: { id: number }[] = await tx.query(
      `insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, next_attempt_at, created_at)
       select "certificateId", "subscriptionId", event, "dedupeKey", coalesce(data, '{}'), 'due', $2, $3
       from jsonb_to_recordset($1::jsonb) as n("certificateId" int, "subscriptionId" int, event text, "dedupeKey" text,
       data jsonb)
       on conflict (dedupe_key) do nothing returning id`,
      [JSON.stringify(notices), safetyNet(now), now],
    );
    return rows.map((row) => row.id);
  }

  /**
   * Writes a notice for each subscription to this event, and one for `tell` unless one channel already sends to all of
   * these addresses. Skips notices that exist. Returns the ids of the new ones.
   */
  async addSubscribed(tx: Tx, one: Occurrence, now: Date): Promise<number[]> {
    const facts = {
      certificateId: one.certificateId === null ? null : '$1::int',
      owner: '$3',
      authorityId: '$2::int',
      labels: '(select labels from certificate where id = $1::int)::text[]',
      hearsDefaults: 'exists (select from certificate where id = $1::int and hears_defaults)',
    };
    const rows: { id: number }[] = await tx.query(
      `with heard as (select s.id, ch.recipients from ${subscribedTo(facts, '$4')})
       ${intoNotice}
       select $1::int, case when $1::int is null then $2::int end, h.id, $4, concat($6::text, '#' || h.id), $7::jsonb,
         'due', $8, $9
       from (select id from heard union all select null::int where cardinality($5::text[]) > 0
         and not exists (select from heard where $5::text[] <@ recipients)) as h
       on conflict (dedupe_key) do nothing returning id`,
      [
        one.certificateId,
        one.authorityId,
        one.owner,
        one.event,
        one.tell.map((address) => address.toLowerCase()),
        one.dedupeKey,
        JSON.stringify(one.data),
        safetyNet(now),
        now,
      ],
    );
    return rows.map((row) => row.id);
  }

  /**
   * As `addSubscribed` without owners, for an event that each certificate has once. Returns the ids of the new notices
   * by subscription.
   */
  async addSubscribedOnce(
    tx: Tx,
    event: NoticeEvent,
    certificateIds: readonly number[],
    now: Date,
  ): Promise<Map<number, number[]>> {
    const rows: { id: number; subscriptionId: number }[] = await tx.query(
      `${intoNotice}
       select c.id, null, h.id, $2, format('%s:%s#%s', $2::text, c.id, h.id), '{}', 'due', $3, $4 from certificate c
         cross join lateral (select s.id from ${subscribedTo(factsOf('c'), '$2')}) as h
       where c.id = any($1::int[]) and exists (select from subscription o where o.active and $2 = any(o.events))
       on conflict (dedupe_key) do nothing returning id, subscription_id as "subscriptionId"`,
      [certificateIds, event, safetyNet(now), now],
    );
    const ids = new Map<number, number[]>();
    for (const { id, subscriptionId } of rows) ids.set(subscriptionId, [...(ids.get(subscriptionId) ?? []), id]);
    return ids;
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
   * Claims the notices of these ids that are due and not claimed, and returns their ids, in order. The claim ends at
   * `until`: when a run crashes, the sweep then enqueues its notices again.
   */
  async claim(tx: Tx, ids: readonly number[], now: Date, until: Date): Promise<number[]> {
    const [rows]: [{ id: number }[], number] = await tx.query(
      `update notice set claimed_until = $3, next_attempt_at = greatest(next_attempt_at, $3) where id in (
         select id from notice where id = any($1) and state = 'due' and (claimed_until is null or claimed_until <= $2)
         order by id for update) returning id`,
      [ids, now, until],
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

  /** At most 200 due notices. They are due again at `again` if their job is lost. */
  async takeDue(tx: Tx, now: Date, again: Date): Promise<Notice[]> {
    const rows: [{ id: number }[], number] = await tx.query(
      `update notice set next_attempt_at = $2 where id in (
         select id from notice where next_attempt_at <= $1 order by next_attempt_at limit 200 for update skip locked)
           returning id`,
      [now, again],
    );
    return this.getMany(
      tx,
      rows[0].map((row) => row.id),
    );
  }

  /** The notice of a channel that is sent or tried again next. */
  async findNextOf(tx: Tx, channelId: number): Promise<Notice | null> {
    const rows: { id: number }[] = await tx.query(
      `select n.id from notice n join subscription s on s.id = n.subscription_id
       where n.next_attempt_at is not null and s.channel_id = $1 order by n.next_attempt_at, n.id limit 1`,
      [channelId],
    );
    return (
      (
        await this.getMany(
          tx,
          rows.map(({ id }) => id),
        )
      )[0] ?? null
    );
  }

  /** The newest 200 notices of a certificate. */
  list(tx: Tx, certificateId: number): Promise<Notice[]> {
    return tx.find(Notice, { where: { certificateId }, order: { id: 'DESC' }, take: 200 });
  }
}

function safetyNet(now: Date): Date {
  return new Date(now.getTime() + safetyNetMs);
}
