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
import type { NotificationQuery } from './notification.schema.js';
import { Subscription } from './subscription.entity.js';

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

/** What planning needs to know of a notification. `leadS`: the longest, in seconds. */
export interface Lead {
  id: number;
  leadS: number;
}
/** How other answers name it. */
export interface LabelledNotification {
  id: number;
  label: string;
  description: string | null;
  active: boolean;
  pluginId: string;
  options: Record<string, unknown>;
}
/** `mails`: whether its channel sends mail. */
export type NamedNotification = Lead & LabelledNotification & { mails: boolean };

/**
 * In SQL, the longest lead, in seconds, of active subscriptions that list no certificates. A plan by it looks at a
 * certificate too early at worst.
 */
export const longestScopedLead = `(select max(l) from subscription s join channel ch on ch.id = s.channel_id
  and s.active and ch.active and s.scope <> 'certificates' cross join unnest(s.leads_s) as l)`;

const longestLead = (s: string): string => `(select max(l) from unnest(${s}.leads_s) as l)`;

/** In SQL, the members of a `LabelledNotification` of the subscription `s` and its channel `ch`. */
export function notificationMembers(s: string, ch: string): readonly (readonly [name: string, sql: string])[] {
  const unitS = Object.entries(leadUnits)
    .map(([unit, seconds]) => `when '${unit}' then ${seconds}`)
    .join(' ');
  return [
    ['id', `${s}.id`],
    ['label', `${s}.label`],
    ['description', `${s}.description`],
    ['active', `${s}.active and ${ch}.active`],
    ['pluginId', `${ch}.plugin_id`],
    [
      'options',
      `${ch}.options || jsonb_build_object('interval', ${longestLead(s)} / case ${s}.lead_unit ${unitS} end,
      'unit', ${s}.lead_unit)`,
    ],
  ];
}

const named = [
  ...notificationMembers('s', 'ch'),
  ['leadS', longestLead('s')] as const,
  ['mails', 'ch.recipients is not null'] as const,
];
/** In SQL, the columns of a `NamedNotification`. */
const namedColumns = named.map(([name, sql]) => `${sql} as "${name}"`).join(', ');
/** The same as arguments of `json_build_object`. */
export const namedNotification = named.map(([name, sql]) => `'${name}', ${sql}`).join(', ');
/** Where the members of a notification come from. Lemur knows nothing of subscriptions without a lead. */
export const notificationTables = 'subscription s join channel ch on ch.id = s.channel_id';

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

  /** Makes a subscription and the channel that goes with it. */
  async add(
    tx: Tx,
    notification: NotificationColumns & Pick<Notification, 'creatorId' | 'createdAt'> & { builtIn?: boolean },
  ): Promise<Notification> {
    const { label, description, active, creatorId, createdAt, builtIn = false } = notification;
    const channel = await this.addChannel(tx, notification);
    const row = await tx.save(
      tx.create(Subscription, {
        label,
        description,
        active,
        channelId: channel.id,
        ...leadsOf(notification),
        events: ['certificate.expiring'],
        scope: 'certificates',
        owner: null,
        authorityId: null,
        builtIn,
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

  /** The default notifications of these labels, made where they do not exist yet. They hold no secrets. */
  async ensure(tx: Tx, wanted: readonly DefaultNotification[]): Promise<Lead[]> {
    const labels = wanted.map((w) => w.label.toLowerCase()).sort();
    const known = await this.known(tx, labels);
    if (known.length === labels.length) return known;
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
      await tx.query(
        `insert into subscription (label, description, channel_id, events, leads_s, lead_unit, scope, built_in)
         select $1, $2, id, '{certificate.expiring}', array[$3::int], 'days', 'certificates', true from channel
           where origin = 'program' and lower(label) = lower($4)
         on conflict (lower(label)) where built_in do nothing`,
        [one.label, one.description, one.leadS, one.channelLabel],
      );
    }
    return this.known(tx, labels);
  }

  /** The program's own of these labels, or those of people; in no particular order. */
  known(tx: Tx, labels: readonly string[], builtIn = true): Promise<(Lead & { label: string })[]> {
    return tx.query(
      `select s.id, s.label, ${longestLead('s')} as "leadS" from subscription s
        where lower(s.label) = any($1) and s.built_in = $2`,
      [labels.map((label) => label.toLowerCase()), builtIn],
    );
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
         and not exists (select from subscription where channel_id = c.id)`,
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
