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
import { Notification } from './notification.entity.js';
import type { NotificationQuery } from './notification.schema.js';

export type NewNotification = Pick<Notification, 'label' | 'description' | 'pluginId' | 'options' | 'leadS'>;
/** What planning needs to know of a notification. */
export interface Lead {
  id: number;
  leadS: number;
}
/** The same with what people are told of it. */
export interface LabelledNotification {
  id: number;
  label: string;
  description: string | null;
  active: boolean;
  pluginId: string;
  options: Record<string, unknown>;
}
export type NamedNotification = Lead & LabelledNotification;

const source: ListSource = {
  columns: 'id',
  from: 'notification',
  sorts: {
    id: { sql: 'id', type: 'int' },
    label: { sql: 'lower(label)', type: 'text' },
    pluginName: { sql: 'plugin_id', type: 'text' },
    active: { sql: 'active', type: 'boolean' },
  },
  filters: {
    id: whole('id'),
    label: words('label'),
    description: words('description'),
    pluginName: words('plugin_id'),
    active: truth('active'),
  },
};

/** Every query on notifications. */
@Injectable()
export class NotificationRepository {
  async get(tx: Tx, id: number): Promise<Notification> {
    const found = await tx.findOneBy(Notification, { id });
    if (!found) throw new Problem('not-found', `There is no notification ${id}.`);
    return found;
  }

  getMany(tx: Tx, ids: readonly number[]): Promise<Notification[]> {
    return tx.findBy(Notification, { id: In([...ids]) });
  }

  async list(tx: Tx, query: NotificationQuery): Promise<Page<Notification>> {
    const where = new Conditions();
    if (query.active !== undefined) where.add('active = ?', query.active);
    const page = await listPage<{ id: number }>(tx, source, query, where);
    const rows = new Map(
      (
        await this.getMany(
          tx,
          page.items.map((item) => item.id),
        )
      ).map((row) => [row.id, row]),
    );
    return { ...page, items: page.items.flatMap((item) => rows.get(item.id) ?? []) };
  }

  /** As `get`, and nobody else changes it until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<Notification> {
    const found = await tx.findOne(Notification, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!found) throw new Problem('not-found', `There is no notification ${id}.`);
    return found;
  }

  /** Of people, unless it says otherwise. */
  async add(
    tx: Tx,
    notification: Omit<Notification, 'id' | 'builtIn'> & Partial<Pick<Notification, 'builtIn'>>,
  ): Promise<Notification> {
    return tx.save(tx.create(Notification, { builtIn: false, ...notification }));
  }

  async save(tx: Tx, notification: Notification): Promise<void> {
    await tx.save(notification);
  }

  async remove(tx: Tx, notification: Notification): Promise<void> {
    await tx.remove(notification);
  }

  /** Every label, in no particular order. */
  async labels(tx: Tx): Promise<string[]> {
    return (await tx.query<{ label: string }[]>('select label from notification')).map(({ label }) => label);
  }

  /** Those that a request names; `field` is the member that names them. */
  /**
   * Those that a request names; `field` is the member that names them. A label that has two is that of the program's
   * own.
   */
  async resolve(tx: Tx, refs: readonly Reference[], field: string): Promise<NamedNotification[]> {
    if (refs.length === 0) return [];
    const rows: NamedNotification[] = await tx.query(
      `select id, label, description, active, plugin_id as "pluginId", options, lead_s as "leadS" from notification n
        where id = any($1::int[]) or lower(label) = any($2::text[])
         and (built_in or not exists (select from notification o where o.built_in
         and lower(o.label) = lower(n.label)))`,
      [refs.flatMap((r) => r.id ?? []), refs.map((r) => (r.id === undefined ? wordsOf(r).toLowerCase() : ''))],
    );
    for (const [index, ref] of refs.entries()) {
      const known = rows.some((row) => row.id === ref.id || row.label.toLowerCase() === wordsOf(ref).toLowerCase());
      if (!known) throw invalid(`${field}.${index}`, `Unable to locate notification ${wordsOf(ref)}.`);
    }
    return rows;
  }

  /** The program's own of these labels, made where they do not exist yet. They hold no secrets. */
  async ensure(tx: Tx, wanted: readonly NewNotification[]): Promise<Lead[]> {
    const labels = wanted.map((w) => w.label.toLowerCase()).sort();
    const known = await this.known(tx, labels);
    if (known.length === labels.length) return known;
    for (const w of [...wanted].sort((a, b) => (a.label < b.label ? -1 : 1))) {
      await tx.query(
        `insert into notification (label, description, plugin_id, options, secret_id, lead_s, built_in)
          values ($1, $2, $3, $4, $5, $6, true)
         on conflict (lower(label)) where built_in do nothing`,
        [w.label, w.description, w.pluginId, JSON.stringify(w.options), randomUUID(), w.leadS],
      );
    }
    return this.known(tx, labels);
  }

  /** The program's own of these labels, or those of people; in no particular order. */
  known(tx: Tx, labels: readonly string[], builtIn = true): Promise<(Lead & { label: string })[]> {
    return tx.query(
      'select id, label, lead_s as "leadS" from notification where lower(label) = any($1) and built_in = $2',
      [labels.map((label) => label.toLowerCase()), builtIn],
    );
  }
}
