import { Injectable } from '@nestjs/common';
import { Conditions } from '../platform/db/conditions.js';
import type { Tx } from '../platform/db/database.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { leadUnits } from '../platform/plugins/lead-options.js';
import { Subscription } from './subscription.entity.js';
import type { SubscriptionQuery, SubscriptionView } from './subscription.schema.js';

type Row = Omit<SubscriptionView, 'leads'> & { leadsS: number[] };

const source: ListSource = {
  columns: `s.id, s.label, s.description, s.active, s.events, s.leads_s as "leadsS", s.lead_unit as "leadUnit", s.scope,
    s.owner, s.certificate_label as "certificateLabel", s.built_in as "builtIn",
    case when ec.id is not null then json_build_object('afterDays', s.escalate_after_days,
      'channel', json_build_object('id', ec.id, 'label', ec.label)) end as escalation,
    json_build_object('id', ch.id, 'label', ch.label, 'pluginName', ch.plugin_id) as channel,
    case when a.id is not null then json_build_object('id', a.id, 'name', a.name) end as authority`,
  from: `subscription s join channel ch on ch.id = s.channel_id left join authority a on a.id = s.authority_id
    left join channel ec on ec.id = s.escalate_channel_id`,
  sorts: {
    id: { sql: 's.id', type: 'int' },
    label: { sql: 'lower(s.label)', type: 'text' },
    active: { sql: 's.active', type: 'boolean' },
    scope: { sql: 's.scope', type: 'text' },
  },
  filters: {
    id: whole('s.id'),
    label: words('s.label'),
    description: words('s.description'),
    owner: words('s.owner'),
    active: truth('s.active'),
    scope: words('s.scope'),
  },
};

/** SQL expressions for a certificate or an authority. `certificateId` is null for an authority. */
interface ScopeFacts {
  certificateId: string | null;
  owner: string;
  authorityId: string;
  labels: string;
  /** Whether default subscriptions count. */
  hearsDefaults: string;
}

/** The facts of the certificate `c`. */
export function factsOf(c: string): ScopeFacts {
  return {
    certificateId: `${c}.id`,
    owner: `${c}.owner`,
    authorityId: `${c}.authority_id`,
    labels: `${c}.labels`,
    hearsDefaults: `${c}.hears_defaults`,
  };
}

/** SQL: the ids of the default subscriptions of this owner and of the security team. */
export const defaultsOf = (owner: string): string =>
  `select id from subscription where scope = 'owner' and owner = lower(${owner}) and built_in
   union all select id from subscription where scope = 'all' and built_in`;

/** SQL: the ids of the listed and the default subscriptions of the certificate `c`, each once. */
export const shownSubscriptionsOf = (c: string): string =>
  `select subscription_id as id from certificate_subscription where certificate_id = ${c}.id
   union select id from (${defaultsOf(`${c}.owner`)}) as d where ${c}.hears_defaults`;

/** SQL: the id of every subscription, active or not, whose scope has these facts, each once. Reads indexes alone. */
export function subscriptionsOf({ certificateId, owner, authorityId, labels, hearsDefaults }: ScopeFacts): string {
  const applies = `(not built_in or ${hearsDefaults})`;
  const listed = `select subscription_id as id from certificate_subscription where certificate_id = ${certificateId}`;
  return [
    ...(certificateId === null ? [] : [listed]),
    `select id from subscription where scope = 'owner' and owner = lower(${owner}) and ${applies}`,
    `select id from subscription where scope = 'authority' and authority_id = ${authorityId}`,
    `select id from subscription where scope = 'label' and certificate_label = any(${labels})`,
    `select id from subscription where scope = 'all' and ${applies}`,
  ].join(' union ');
}

/** Every query on subscriptions; `NotificationRepository` has Lemur's view of them. */
@Injectable()
export class SubscriptionRepository {
  async list(tx: Tx, query: SubscriptionQuery): Promise<Page<SubscriptionView>> {
    const where = new Conditions();
    if (query.active !== undefined) where.add('s.active = ?', query.active);
    if (query.channelId !== undefined) where.add('s.channel_id = ?', query.channelId);
    const page = await listPage<Row>(tx, source, query, where);
    return { ...page, items: page.items.map(viewOf) };
  }

  async view(tx: Tx, id: number): Promise<SubscriptionView> {
    const [row] = await tx.query<Row[]>(`select ${source.columns} from ${source.from} where s.id = $1`, [id]);
    if (!row) throw new Problem('not-found', `There is no subscription ${id}.`);
    return viewOf(row);
  }

  async get(tx: Tx, id: number): Promise<Subscription> {
    const found = await tx.findOneBy(Subscription, { id });
    if (!found) throw new Problem('not-found', `There is no subscription ${id}.`);
    return found;
  }

  /** As `get`, locked until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<Subscription> {
    const found = await tx.findOne(Subscription, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!found) throw new Problem('not-found', `There is no subscription ${id}.`);
    return found;
  }

  async save(tx: Tx, subscription: Subscription | Omit<Subscription, 'id'>): Promise<Subscription> {
    return tx.save(tx.create(Subscription, subscription));
  }

  /** Plans the next summary of at most `limit` active subscriptions whose summary is due, and returns their ids. */
  async takeSummaries(tx: Tx, now: Date, next: Date, limit: number): Promise<{ id: number; dueAt: Date }[]> {
    const [rows]: [{ id: number; dueAt: Date }[], number] = await tx.query(
      `with due as (select s.id, s.next_summary_at from subscription s join channel ch on ch.id = s.channel_id
         where s.next_summary_at <= $1 and s.active and ch.active
         order by s.next_summary_at limit $3 for update of s skip locked)
       update subscription s set next_summary_at = $2 from due where s.id = due.id
       returning s.id, due.next_summary_at as "dueAt"`,
      [now, next, limit],
    );
    return rows;
  }

  /** Whether there was a certificate at `dueAt`, and no subscription sends the weekly summary to all of this team. */
  async isTeamSummaryDue(tx: Tx, team: readonly string[], dueAt: Date): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select where (select created_at from certificate order by id limit 1) <= $2 and not exists (
         select from subscription s join channel ch on ch.id = s.channel_id
         where s.active and ch.active and s.scope = 'all' and 'summary.weekly' = any(s.events)
           and $1::text[] <@ ch.recipients)`,
      [team.map((address) => address.toLowerCase()), dueAt],
    );
    return rows.length > 0;
  }

  async remove(tx: Tx, subscription: Subscription): Promise<void> {
    await tx.remove(subscription);
  }
}

function viewOf({ leadsS, ...row }: Row): SubscriptionView {
  const { id, label, description, active, channel, events, leadUnit, scope, owner, authority, builtIn } = row;
  const { certificateLabel, escalation } = row;
  const leads = leadsS.map((lead) => lead / leadUnits[leadUnit]);
  return {
    id,
    label,
    description,
    active,
    channel,
    events,
    leads,
    leadUnit,
    scope,
    owner,
    certificateLabel,
    authority,
    escalation,
    builtIn,
  };
}
