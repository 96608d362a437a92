import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { Conditions } from '../platform/db/conditions.js';
import type { Page } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { isLeadOption, type LeadOptions, leadUnits } from '../platform/plugins/lead-options.js';
import { Channel } from './channel.entity.js';
import type { DefaultNotification } from './default-notifications.js';
import {
  type Lead,
  longestLead,
  longestScopedLead,
  type NamedNotification,
  namedColumns,
  notificationTables,
} from './notification-columns.js';
import type { NotificationQuery } from './notification.schema.js';
import { replanSubscription } from './notifications.jobs.js';
import { Subscription } from './subscription.entity.js';
import { defaultsOf } from './subscription.repository.js';

/**
 * A subscription that hears of the end of certificates, with its channel, as Lemur knows the two: `options` are those
 * of the channel and, as `interval` and `unit`, the longest lead. The id is that of the subscription.
 */
export interface Notification extends StoredPlugin {
  id: number;
  label: string;
  description: string | null;
  active: boolean;
  builtIn: boolean;
  creatorId: number | null;
  createdAt: Date;
  channelId: number;
  /** As `Channel.recipients`. */
  recipients: string[] | null;
}
/** The columns of a notification that a request or an import can set. */
export type NotificationColumns = Omit<Notification, 'id' | 'builtIn' | 'creatorId' | 'createdAt' | 'channelId'>;

const source: ListSource = {
  columns: 's.id as id',
  from: notificationTables,
  sorts: {
    id: { sql: 's.id', type: 'int' },
    label: { sql: 'lower(s.label)', type: 'text' },
    pluginName: { sql: 'ch.plugin_id', type: 'text' },
    active: { sql: '(s.active and ch.active)', type: 'boolean' },
  },
  filters: {
    id: whole('s.id'),
    label: words('s.label'),
    description: words('s.description'),
    pluginName: words('ch.plugin_id'),
    active: truth('(s.active and ch.active)'),
  },
};

/** Lemur's view of subscriptions and channels: a notification is one of each. */
@Injectable()
export class NotificationRepository {
  async get(tx: Tx, id: number): Promise<Notification> {
    const [found] = await this.getMany(tx, [id]);
    if (!found) throw new Problem('not-found', `There is no notification ${id}.`);
    return found;
  }

  /** Those of these ids that hear of the end of certificates, in order of id. */
  async getMany(tx: Tx, ids: readonly number[]): Promise<(Notification & NamedNotification)[]> {
    if (ids.length === 0) return [];
    const rows = await tx.find(Subscription, { where: { id: In([...ids]) }, order: { id: 'ASC' } });
    const channels = await tx.findBy(Channel, { id: In(rows.map(({ channelId }) => channelId)) });
    const byId = new Map(channels.map((channel) => [channel.id, channel]));
    return rows.flatMap((row) => {
      const channel = byId.get(row.channelId);
      return channel && row.leadsS.length > 0 ? [notificationOf(row, channel)] : [];
    });
  }

  async list(tx: Tx, query: NotificationQuery): Promise<Page<Notification>> {
    const where = new Conditions();
    where.add('cardinality(s.leads_s) > 0');
    if (query.active !== undefined) where.add('(s.active and ch.active) = ?', query.active);
    const page = await listPage<{ id: number }>(tx, source, query, where);
    const ids = page.items.map((item) => item.id);
    const rows = new Map((await this.getMany(tx, ids)).map((row) => [row.id, row]));
    return { ...page, items: ids.flatMap((id) => rows.get(id) ?? []) };
  }

  /** As `get`, and nobody else changes it until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<Notification> {
    await tx.query('select from subscription where id = $1 for update', [id]);
    return this.get(tx, id);
  }

  /** Makes a subscription with a channel of its own. `defaultOf`: the owner whose default subscription it is. */
  async add(
    tx: Tx,
    notification: NotificationColumns & Pick<Notification, 'creatorId' | 'createdAt'> & { defaultOf?: string },
  ): Promise<Notification> {
    const { label, description, active, creatorId, createdAt, defaultOf = null } = notification;
    const channel = await this.addChannel(tx, notification);
    const row = await tx.save(
      tx.create(Subscription, {
        label,
        description,
        active,
        channelId: channel.id,
        ...leadsOf(notification),
        events: ['certificate.expiring'],
        scope: defaultOf === null ? 'certificates' : 'owner',
        owner: defaultOf,
        authorityId: null,
        certificateLabel: null,
        builtIn: defaultOf !== null,
        creatorId,
        createdAt,
      }),
    );
    return notificationOf(row, channel);
  }

  /** A channel that others use as well, or that a person or the program made, stays: the notification gets its own. */
  async save(tx: Tx, before: Notification, after: NotificationColumns): Promise<Notification> {
    const row = await tx.findOneByOrFail(Subscription, { id: before.id });
    const { label, description, active } = after;
    Object.assign(row, { label, description, active });
    if (leadOf(after) !== leadOf(before)) Object.assign(row, leadsOf(after));
    let channel = await tx.findOneByOrFail(Channel, { id: row.channelId });
    if (!hasSamePlugin(before, after)) {
      const isOwn = channel.origin === 'notification' && !(await this.isShared(tx, channel.id));
      if (isOwn) await tx.save(Object.assign(channel, { label, recipients: after.recipients }, pluginOf(after)));
      else channel = await this.addChannel(tx, { ...after, creatorId: row.creatorId, createdAt: row.createdAt });
    }
    const formerId = row.channelId;
    await tx.save(Object.assign(row, { channelId: channel.id }));
    if (formerId !== channel.id) await this.releaseChannel(tx, formerId);
    return notificationOf(row, channel);
  }

  /** With its channel, if that was made for it alone. */
  async remove(tx: Tx, { id, channelId }: Notification): Promise<void> {
    await tx.delete(Subscription, { id });
    await this.releaseChannel(tx, channelId);
  }

  /** Every label, in no particular order. */
  async labels(tx: Tx): Promise<string[]> {
    return (await tx.query<{ label: string }[]>('select label from subscription')).map(({ label }) => label);
  }

  /**
   * Those that a request names; `field` is the member that names them. A label that has two is that of the program's
   * own.
   */
  async resolve(tx: Tx, refs: readonly Reference[], field: string): Promise<NamedNotification[]> {
    if (refs.length === 0) return [];
    const rows: NamedNotification[] = await tx.query(
      `select ${namedColumns} from ${notificationTables}
        where (s.id = any($1::int[]) or lower(s.label) = any($2::text[])) and cardinality(s.leads_s) > 0
         and (s.built_in or not exists (select from subscription o where o.built_in
         and lower(o.label) = lower(s.label)))`,
      [refs.flatMap((r) => r.id ?? []), refs.map((r) => (r.id === undefined ? wordsOf(r).toLowerCase() : ''))],
    );
    for (const [index, ref] of refs.entries()) {
      const known = rows.some((row) => row.id === ref.id || row.label.toLowerCase() === wordsOf(ref).toLowerCase());
      if (!known) throw invalid(`${field}.${index}`, `Unable to locate notification ${wordsOf(ref)}.`);
    }
    return rows;
  }

  /**
   * The default notifications of these labels, made where they do not exist yet: for all certificates of the owner, of
   * which some may be older. They hold no secrets.
   */
  async ensure(tx: Tx, wanted: readonly DefaultNotification[]): Promise<Lead[]> {
    const labels = wanted.map((w) => w.label.toLowerCase()).sort();
    const known = await this.known(tx, labels);
    const owners = new Map(wanted.map((one) => [one.label.toLowerCase(), one.owner]));
    if (known.filter(({ label, owner }) => owners.get(label.toLowerCase()) === owner).length === labels.length)
      return known;
    const made = new Map<string | null, number>();
    for (const one of [...wanted].sort((a, b) => (a.label < b.label ? -1 : 1))) {
      await tx.query(
        `insert into channel (label, plugin_id, options, recipients, secret_id, origin)
         values ($1, 'email', $2, $3, $4, 'program') on conflict (lower(label)) where origin = 'program' do nothing`,
        [
          one.channelLabel,
          JSON.stringify({ recipients: one.recipients.join(',') }),
          one.recipients.map((address) => address.toLowerCase()),
          randomUUID(),
        ],
      );
      const rows: { id: number }[] = await tx.query(
        `insert into subscription (label, description, channel_id, events, leads_s, lead_unit, scope, owner, built_in)
         select $1, $2, id, '{certificate.expiring}', array[$3::int], 'days', $5, $6, true from channel
           where origin = 'program' and lower(label) = lower($4)
         on conflict (lower(label)) where built_in
           do update set scope = excluded.scope, owner = excluded.owner returning id`,
        [one.label, one.description, one.leadS, one.channelLabel, one.owner === null ? 'all' : 'owner', one.owner],
      );
      for (const { id } of rows) made.set(one.owner, id);
    }
    // Those of one owner hear of the same certificates: to plan for one of them is to plan for all.
    for (const subscriptionId of made.values()) await replanSubscription.enqueue(tx, { subscriptionId, after: 0 });
    return this.known(tx, labels);
  }

  /** The program's own of these labels, or those of people; in no particular order. */
  known(
    tx: Tx,
    labels: readonly string[],
    builtIn = true,
  ): Promise<(Lead & { label: string; owner: string | null })[]> {
    return tx.query(
      `select s.id, s.label, s.owner, ${longestLead('s')} as "leadS" from subscription s
        where lower(s.label) = any($1) and s.built_in = $2`,
      [labels.map((label) => label.toLowerCase()), builtIn],
    );
  }

  /** Ids of the default notifications that exist for this owner and the security team, or for this owner alone. */
  async defaultsOf(tx: Tx, owner: string, withSecurity = true): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      withSecurity
        ? defaultsOf('$1')
        : `select id from subscription where scope = 'owner' and owner = lower($1) and built_in`,
      [owner],
    );
    return rows.map(({ id }) => id);
  }

  /** Seconds; null without any. */
  async longestScopedLead(tx: Tx): Promise<number | null> {
    const [found] = await tx.query<[{ leadS: number | null }]>(`select ${longestScopedLead} as "leadS"`);
    return found.leadS;
  }

  private addChannel(
    tx: Tx,
    notification: NotificationColumns & Pick<Notification, 'creatorId' | 'createdAt'>,
  ): Promise<Channel> {
    const { label, recipients, creatorId, createdAt } = notification;
    const more = {
      label,
      recipients,
      description: null,
      active: true,
      origin: 'notification' as const,
      creatorId,
      createdAt,
    };
    return tx.save(tx.create(Channel, { ...pluginOf(notification), ...more }));
  }

  private async isShared(tx: Tx, channelId: number): Promise<boolean> {
    return (await tx.countBy(Subscription, { channelId })) > 1;
  }

  /** Removes a channel that no person made and that no subscription uses any more. */
  private async releaseChannel(tx: Tx, channelId: number): Promise<void> {
    await tx.query(
      `delete from channel c where id = $1 and origin <> 'person'
         and not exists (select from subscription where channel_id = c.id or escalate_channel_id = c.id)`,
      [channelId],
    );
  }
}

function notificationOf(row: Subscription, channel: Channel): Notification & NamedNotification {
  const { id, label, description, builtIn, creatorId, createdAt, channelId, leadsS, leadUnit } = row;
  const { pluginId, options, sealedOptions, secretId, recipients } = channel;
  const leadS = Math.max(...leadsS);
  return {
    ...{ id, label, description, builtIn, creatorId, createdAt, channelId, leadS },
    active: row.active && channel.active,
    ...{ pluginId, sealedOptions, secretId, recipients, mails: recipients !== null },
    options: { interval: leadS / leadUnits[leadUnit], unit: leadUnit, ...options },
  };
}

/** What of a notification belongs to its channel: the plugin with its own options. */
export function pluginOf({ pluginId, options, sealedOptions, secretId }: StoredPlugin): StoredPlugin {
  const own = Object.fromEntries(Object.entries(options).filter(([name]) => !isLeadOption(name)));
  return { pluginId, options: own, sealedOptions, secretId };
}

function hasSamePlugin(a: NotificationColumns, b: NotificationColumns): boolean {
  const textOf = (notification: NotificationColumns): string => {
    const { pluginId, options, sealedOptions } = pluginOf(notification);
    const sorted = Object.entries(options).sort(([x], [y]) => (x < y ? -1 : 1));
    return JSON.stringify([pluginId, sorted, sealedOptions?.bytes.toString('hex') ?? null]);
  };
  return textOf(a) === textOf(b);
}

function leadsOf({ options }: Pick<Notification, 'options'>): Pick<Subscription, 'leadsS' | 'leadUnit'> {
  const { interval, unit } = options as LeadOptions;
  return { leadsS: [interval * leadUnits[unit]], leadUnit: unit };
}

function leadOf(notification: Pick<Notification, 'options'>): string {
  const { leadsS, leadUnit } = leadsOf(notification);
  return `${leadsS.join()} ${leadUnit}`;
}
