import { Injectable } from '@nestjs/common';
import type { NoticeEvent } from '../plugin-api/events.js';
import { Conditions } from '../platform/db/conditions.js';
import type { Tx } from '../platform/db/database.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { In } from 'typeorm';
import { digestAt, quietUntil } from './channel-times.js';
import { Channel } from './channel.entity.js';
import type { ChannelQuery } from './channel.schema.js';
import { lastingProblems } from './subscription.schema.js';

/** Until when a channel sends nothing, and why. */
export interface ChannelWait {
  until: Date;
  hold: 'quiet-hours' | 'digest';
}

const source: ListSource = {
  columns: 'id',
  from: 'channel',
  sorts: {
    id: { sql: 'id', type: 'int' },
    label: { sql: 'lower(label)', type: 'text' },
    pluginName: { sql: 'plugin_id', type: 'text' },
    active: { sql: 'active', type: 'boolean' },
    origin: { sql: 'origin', type: 'text' },
  },
  filters: {
    id: whole('id'),
    label: words('label'),
    description: words('description'),
    pluginName: words('plugin_id'),
    active: truth('active'),
    origin: words('origin'),
  },
};

/** Every query on channels. */
@Injectable()
export class ChannelRepository {
  async get(tx: Tx, id: number): Promise<Channel> {
    const found = await tx.findOneBy(Channel, { id });
    if (!found) throw new Problem('not-found', `There is no channel ${id}.`);
    return found;
  }

  /** As `get`, locked until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<Channel> {
    const found = await tx.findOne(Channel, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!found) throw new Problem('not-found', `There is no channel ${id}.`);
    return found;
  }

  /** The channel of a subscription, or of its escalations; null when there is none any more. */
  async ofSubscription(tx: Tx, subscriptionId: number, escalates: boolean): Promise<Channel | null> {
    return tx
      .createQueryBuilder(Channel, 'ch')
      .innerJoin('subscription', 's', `s.${escalates ? 'escalate_channel_id' : 'channel_id'} = ch.id`)
      .where('s.id = :subscriptionId', { subscriptionId })
      .getOne();
  }

  /**
   * Until when the channel sends nothing at `now`, and why; null when it sends at once. `collected`: the notices have
   * waited for a digest already.
   */
  async waitOf(tx: Tx, id: number, now: Date, collected: boolean): Promise<ChannelWait | null> {
    const [found] = await tx.query<{ quietUntil: Date | null; digestAt: Date | null }[]>(
      `select ${quietUntil} as "quietUntil", ${digestAt} as "digestAt" from channel where id = $2`,
      [now, id],
    );
    if (found?.quietUntil) return { until: found.quietUntil, hold: 'quiet-hours' };
    return found?.digestAt && !collected ? { until: found.digestAt, hold: 'digest' } : null;
  }

  /** Throws Problem `invalid-request` unless PostgreSQL knows the time zone. */
  async demandTimeZone(tx: Tx, name: string, field: string): Promise<void> {
    const known: unknown[] = await tx.query('select from pg_timezone_names where lower(name) = lower($1)', [name]);
    if (known.length === 0)
      throw invalid(field, 'Give a time zone of the IANA database, for example Europe/Berlin or UTC.');
  }

  /** By id or label, ignoring case; a channel of a person first. Throws Problem `invalid-request`. */
  async resolve(tx: Tx, ref: Reference, field: string): Promise<Channel> {
    const [found] = await tx.query<{ id: number }[]>(
      `select id from channel where id = $1 or $1::int is null and lower(label) = lower($2)
       order by origin = 'person' desc, id limit 1`,
      [ref.id ?? null, wordsOf(ref)],
    );
    if (!found) throw invalid(field, `Unable to locate channel ${wordsOf(ref)}.`);
    return this.get(tx, found.id);
  }

  async list(tx: Tx, query: ChannelQuery): Promise<Page<Channel>> {
    const where = new Conditions();
    if (query.active !== undefined) where.add('active = ?', query.active);
    const page = await listPage<{ id: number }>(tx, source, query, where);
    const ids = page.items.map(({ id }) => id);
    const rows = new Map((await tx.findBy(Channel, { id: In(ids) })).map((row) => [row.id, row]));
    return { ...page, items: ids.flatMap((id) => rows.get(id) ?? []) };
  }

  async save(tx: Tx, channel: Channel | Omit<Channel, 'id'>): Promise<Channel> {
    return tx.save(tx.create(Channel, channel));
  }

  async remove(tx: Tx, channel: Channel): Promise<void> {
    await tx.remove(channel);
  }

  /** The events of the subscriptions that use this channel; of those that escalate to it, what escalates. */
  async eventsOf(tx: Tx, id: number): Promise<NoticeEvent[]> {
    const rows = await tx.query<{ event: NoticeEvent }[]>(
      `select distinct event from subscription s cross join unnest(s.events) as event
       where s.channel_id = $1 or (s.escalate_channel_id = $1 and event = any($2::text[])) order by event`,
      [id, lastingProblems],
    );
    return rows.map(({ event }) => event);
  }

  /** Ids of the subscriptions that use this channel, also for their escalations, in order. */
  async subscriptionsOf(tx: Tx, id: number): Promise<number[]> {
    const rows = await tx.query<{ id: number }[]>(
      'select id from subscription where channel_id = $1 or escalate_channel_id = $1 order by id',
      [id],
    );
    return rows.map((row) => row.id);
  }
}
